package rooms_test

import (
	"fmt"

	"github.com/realtime-svc/realtime-svc/rooms"
)

// console is the least that a member is.
type console struct {
	rooms.Membership
	name string
}

func (c *console) Deliver(m *rooms.Message) bool {
	fmt.Printf("%s hears %s(%s)\n", c.name, m.Event, m.Args)
	if m.Acks != nil {
		m.Acks.Acked(c.ID(), []byte(`"ok"`), nil)
	}
	return true
}
func (c *console) ForgetAck(uint64)                     {}
func (c *console) Reply(uint64, []byte, [][]byte) error { return rooms.ErrAckUnknown }
func (c *console) SetData([]byte)                       {}
func (c *console) Disconnect(bool)                      {}
func (c *console) Info() rooms.Info                     { return rooms.Info{ID: c.ID()} }

func Example() {
	hub, err := rooms.NewHub(rooms.HubConfig{Namespaces: []string{"/"}})
	if err != nil {
		panic(err)
	}
	root, _ := hub.Namespace("/")
	for _, name := range []string{"ann", "bob"} {
		c := &console{name: name}
		c.Init(rooms.NewSocketID())
		if err := root.Add(c, name, []string{"lobby"}); err != nil {
			panic(err)
		}
	}
	root.Join(rooms.Target{Users: []string{"bob"}}, "kitchen")

	matched, delivered := root.Emit(rooms.Target{Rooms: []string{"lobby"}, ExceptRooms: []string{"kitchen"}},
		&rooms.Message{Event: "news", Args: []byte(`"hi",1`)})
	fmt.Println(matched, delivered)

	call := root.EmitWithAck(rooms.Target{Rooms: []string{"kitchen"}}, &rooms.Message{Event: "tea?"})
	for answer := range call.Answers() {
		fmt.Printf("%s, gone %v\n", answer.Args, answer.Gone)
	}
	fmt.Println(root.Rooms("", 10))
	// Output:
	// ann hears news("hi",1)
	// 1 1
	// bob hears tea?()
	// "ok", gone false
	// [{kitchen 1} {lobby 2}]
}

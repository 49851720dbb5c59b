package rooms

// Target selects members of one namespace: the union of Rooms, Users and Sockets, without those in ExceptRooms and
// ExceptSockets. When the first three are empty, everyone is selected. Names and ids of nothing select nobody. Nobody
// is selected twice.
//
// Every socket is implicitly in the room named by its id: such a name, in Rooms or ExceptRooms, stands for that socket
// as well as for whoever joined a room of that name. Implied rooms are not stored and not listed. In the namespace /chat
// the name "/chat#<id>" stands for the socket as well, as that is what clients of Engine.IO v3 take for their id
// (PROTOCOL 2.7).
type Target struct {
	Rooms, Users  []string
	Sockets       []SocketID
	ExceptRooms   []string
	ExceptSockets []SocketID
}

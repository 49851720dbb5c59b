package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxNickname = 20 // characters
	maxRoomName = 24 // characters
	maxRooms    = 20 // that one person may be in
	// roomPrefix keeps the chat's rooms apart from the rooms that the service implies: one for each socket, named by its id. Without
	// it, who joins a room called like somebody's socket would read along what is private.
	roomPrefix = "room:"
)

// fixedRooms are there even if nobody is in them.
var fixedRooms = []struct{ name, topic string }{
	{"lobby", "Everyone arrives here"},
	{"engineering", "Ship it, then talk about it"},
	{"pictures", "Drop one in"},
	{"random", "Whatever is on your mind"},
}

var reservedNicknames = []string{"admin", "administrator", "everyone", "here", "moderator", "realtime", "root", "server", "system", "you"}

// nicknameError is why a nickname is refused: a word for programs and a sentence for people.
type nicknameError struct{ reason, text string }

func (e *nicknameError) Error() string { return e.text }

// checkNickname returns the nickname as it will be shown, with its white space tidied. Errors: *nicknameError.
func checkNickname(wanted string) (string, error) {
	nickname := strings.Join(strings.Fields(wanted), " ")
	switch {
	case nickname == "":
		return "", &nicknameError{"empty", "Please choose a nickname."}
	case utf8.RuneCountInString(nickname) > maxNickname:
		return "", &nicknameError{"too_long", fmt.Sprintf("A nickname may have up to %d characters.", maxNickname)}
	case strings.ContainsFunc(nickname, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }),
		!strings.ContainsFunc(nickname, func(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.S) }):
		return "", &nicknameError{"characters", "A nickname is made of letters, digits and signs."}
	case slices.Contains(reservedNicknames, foldNickname(nickname)):
		return "", &nicknameError{"reserved", fmt.Sprintf("%q is reserved.", nickname)}
	}
	return nickname, nil
}

func errTaken(nickname string) *nicknameError {
	return &nicknameError{"taken", fmt.Sprintf("Somebody here is called %s already.", nickname)}
}

// foldNickname makes nicknames comparable: Ada is ada.
func foldNickname(nickname string) string { return strings.ToLower(nickname) }

// checkRoom returns the proper name of a room: "# Tea House" is tea-house.
func checkRoom(wanted string) (string, error) {
	name := strings.Join(strings.Fields(strings.ToLower(strings.TrimLeft(wanted, "# "))), "-")
	if name == "" || utf8.RuneCountInString(name) > maxRoomName || strings.ContainsFunc(name, notInRoomNames) {
		return "", refusal(fmt.Sprintf("A room's name has 1 to %d letters, digits, - and _.", maxRoomName))
	}
	return name, nil
}

func notInRoomNames(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.N, unicode.M) && r != '-' && r != '_'
}

// serviceRoom is how the service calls a room of the chat; chatRoom is the way back.
func serviceRoom(name string) string { return roomPrefix + name }

func chatRoom(name string) (string, bool) { return strings.CutPrefix(name, roomPrefix) }

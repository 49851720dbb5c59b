package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	maxPictureBytes = 700_000  // leaves room for base64 in a polling request, of which the service takes 1 MB
	maxPictureName  = 100      // characters
	keepPictures    = 64 << 20 // bytes of all pictures kept
)

// pictures keeps the pictures that histories mention, in memory, the latest of them. Safe for concurrent use.
type pictures struct {
	mu    sync.Mutex // guards the following
	kept  map[string]picture
	order []string // ids, the oldest first
	bytes int
}

type picture struct {
	mediaType string
	data      []byte
}

func newPictures() *pictures { return &pictures{kept: make(map[string]picture)} }

// add keeps a picture and returns the id that asks for it.
func (ps *pictures) add(p picture) (id string) {
	id = rand.Text()
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.kept[id] = p
	ps.order = append(ps.order, id)
	ps.bytes += len(p.data)
	for ps.bytes > keepPictures {
		oldest := ps.order[0]
		ps.bytes -= len(ps.kept[oldest].data)
		delete(ps.kept, oldest)
		ps.order = ps.order[1:]
	}
	return id
}

func (ps *pictures) get(id string) (picture, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p, ok := ps.kept[id]
	return p, ok
}

// checkPicture reads what a page has posted. What type it has is seen from its bytes, not from what the page says: pages make it an image by
// that type, and SVG, which can carry more than an image, is not among them.
func checkPicture(posted *postedPicture, attachments [][]byte) (shownPicture, picture, error) {
	data, ok := posted.Data.of(attachments)
	if !ok {
		return shownPicture{}, picture{}, errMalformed
	}
	if len(data) > maxPictureBytes {
		return shownPicture{}, picture{}, refusal(fmt.Sprintf("This picture is too big. Pictures may have up to %d KB.", maxPictureBytes/1000))
	}
	mediaType := http.DetectContentType(data)
	switch mediaType {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
	default:
		return shownPicture{}, picture{}, refusal("This is no picture that the chat can show. PNG, JPEG, GIF and WebP are fine.")
	}
	name := strings.TrimSpace(strings.ToValidUTF8(posted.Name, ""))
	if name == "" {
		name = "picture"
	}
	if utf8.RuneCountInString(name) > maxPictureName {
		name = string([]rune(name)[:maxPictureName])
	}
	return shownPicture{Name: name, Type: mediaType}, picture{mediaType: mediaType, data: data}, nil
}

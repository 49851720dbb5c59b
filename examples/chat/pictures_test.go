package main

import (
	"bytes"
	"strings"
	"testing"
)

// The first bytes of a picture are all that tells its type.
var (
	png  = []byte("\x89PNG\x0d\x0a\x1a\x0a and the rest")
	jpeg = []byte("\xff\xd8\xff\xe0 and the rest")
	gif  = []byte("GIF89a and the rest")
	webp = []byte("RIFF\x10\x00\x00\x00WEBPVP8 and the rest")
)

func TestCheckPicture(t *testing.T) {
	large := append(bytes.Clone(png), make([]byte, maxPictureBytes)...)
	for _, tt := range []struct {
		name, posted string
		data         []byte
		shown        shownPicture
		refused      string
	}{
		{"png", "a.png", png, shownPicture{Name: "a.png", Type: "image/png"}, ""},
		{"jpeg", "a.jpg", jpeg, shownPicture{Name: "a.jpg", Type: "image/jpeg"}, ""},
		{"gif", "a.gif", gif, shownPicture{Name: "a.gif", Type: "image/gif"}, ""},
		{"webp", "a.webp", webp, shownPicture{Name: "a.webp", Type: "image/webp"}, ""},
		{"type from the bytes", "a.gif", png, shownPicture{Name: "a.gif", Type: "image/png"}, ""},
		{"no name", "  ", png, shownPicture{Name: "picture", Type: "image/png"}, ""},
		{"long name", strings.Repeat("ä", 200), png, shownPicture{Name: strings.Repeat("ä", maxPictureName), Type: "image/png"}, ""},
		{"as large as can be", "a.png", large[:maxPictureBytes], shownPicture{Name: "a.png", Type: "image/png"}, ""},
		{"too large", "a.png", large[:maxPictureBytes+1], shownPicture{}, "too big"},
		{"svg", "a.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), shownPicture{}, "no picture"},
		{"html", "a.png", []byte("<html><script>"), shownPicture{}, "no picture"},
		{"nothing", "a.png", nil, shownPicture{}, "no picture"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			posted := &postedPicture{Name: tt.posted, Data: *firstAttachment}
			shown, p, err := checkPicture(posted, [][]byte{tt.data})
			if tt.refused != "" {
				if _, told := answerTo(err); !told || !strings.Contains(err.Error(), tt.refused) {
					t.Fatalf("refused with %v, want %q", err, tt.refused)
				}
				return
			}
			if err != nil || shown != tt.shown {
				t.Fatalf("shown %+v, %v, want %+v", shown, err, tt.shown)
			}
			if p.mediaType != shown.Type || !bytes.Equal(p.data, tt.data) {
				t.Errorf("kept %s with %d bytes", p.mediaType, len(p.data))
			}
		})
	}
}

func TestCheckPictureWithoutData(t *testing.T) {
	_, _, err := checkPicture(&postedPicture{Name: "a.png"}, [][]byte{png})
	if err != errMalformed {
		t.Errorf("refused with %v, want %v", err, errMalformed)
	}
}

func TestPicturesAreKeptWithinTheBound(t *testing.T) {
	ps := newPictures()
	data := make([]byte, maxPictureBytes)
	var ids []string
	for range keepPictures/maxPictureBytes + 1 {
		ids = append(ids, ps.add(picture{"image/png", data}))
	}
	if ps.bytes > keepPictures || ps.bytes != len(ps.kept)*maxPictureBytes || len(ps.order) != len(ps.kept) {
		t.Errorf("%d bytes in %d pictures, %d in order", ps.bytes, len(ps.kept), len(ps.order))
	}
	if _, ok := ps.get(ids[0]); ok {
		t.Error("the oldest is still there")
	}
	for _, id := range ids[1:] {
		if p, ok := ps.get(id); !ok || p.mediaType != "image/png" {
			t.Fatal("a newer one is gone")
		}
	}
}

func TestPicturesHaveIDsOfTheirOwn(t *testing.T) {
	ps := newPictures()
	a, b := ps.add(picture{"image/png", png}), ps.add(picture{"image/png", png})
	if a == b || len(a) < 20 {
		t.Errorf("ids %q and %q can be guessed", a, b)
	}
	if _, ok := ps.get("nothing"); ok {
		t.Error("a picture that was never added is there")
	}
}

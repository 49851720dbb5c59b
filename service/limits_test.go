package service

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	realtimev1 "github.com/realtime-svc/realtime-svc/gen/go/realtime/v1"
)

// A client that asks too often whether the connection lives is told so and cut off.
func TestTooManyPings(t *testing.T) {
	w := newWorld(t)
	conn, err := w.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() { // until the connection is closed
		defer close(written)
		for framer.WritePing(false, [8]byte{}) == nil {
		}
	}()
	defer func() { <-written }()
	defer func() { _ = conn.Close() }()
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("no word of the end: %v", err)
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok {
			if away.ErrCode != http2.ErrCodeEnhanceYourCalm || string(away.DebugData()) != "too_many_pings" {
				t.Errorf("%v %s", away.ErrCode, away.DebugData())
			}
			return
		}
	}
}

// Calls beyond what a connection may have open wait at the client until there is room.
func TestConcurrentStreamsWait(t *testing.T) {
	w := newWorldOn(t, ServerConfig{MaxConcurrentStreams: 1})
	ctx, cancel := context.WithCancel(w.ctx)
	stream, err := w.events.Watch(ctx, &realtimev1.WatchRequest{})
	if err := firstOf(stream, err); err != nil {
		t.Fatal(err)
	}
	count := func(ctx context.Context) error {
		_, err := w.sockets.CountSockets(ctx, &realtimev1.CountSocketsRequest{Target: everyone()})
		return err
	}
	short, end := context.WithTimeout(w.ctx, 50*time.Millisecond)
	defer end()
	wantStatus(t, count(short), codes.DeadlineExceeded, "")
	cancel()
	if err := count(w.ctx); err != nil {
		t.Error(err)
	}
}

// What a call may say about itself is bounded, and the connection goes on.
func TestMetadataIsBounded(t *testing.T) {
	w := newWorld(t)
	call := func(bytes int) error {
		ctx := metadata.AppendToOutgoingContext(w.ctx, "x", strings.Repeat("x", bytes))
		_, err := w.sockets.CountSockets(ctx, &realtimev1.CountSocketsRequest{Target: everyone()})
		return err
	}
	if err := call(maxHeaderBytes / 2); err != nil {
		t.Error(err)
	}
	if err := call(maxHeaderBytes); err == nil || !strings.Contains(err.Error(), "header list size") {
		t.Errorf("%v", err)
	}
	if err := call(1); err != nil {
		t.Error(err)
	}
}

// Without tokens an address may have 1000 streams.
func TestStreamsOfAnAddress(t *testing.T) {
	w := newWorldOn(t, ServerConfig{MaxConcurrentStreams: 2000})
	for range 1000 {
		if err := watching(w.ctx, w); err != nil {
			t.Fatal(err)
		}
	}
	wantStatus(t, watching(w.ctx, w), codes.ResourceExhausted, "TOO_MANY_STREAMS")
}

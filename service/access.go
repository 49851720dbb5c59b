package service

import (
	"context"

	"github.com/realtime-svc/realtime-svc/service/access"
)

// callerOf returns the name of who makes the call whose context this is, "" for nobody that has one.
func callerOf(ctx context.Context) string { return access.FromContext(ctx).Name() }

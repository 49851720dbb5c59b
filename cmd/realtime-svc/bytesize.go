package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes. Its text is a whole number with or without a unit: B, kB, MB, GB (powers of 1000),
// KiB, MiB, GiB (powers of 1024). Without one it counts bytes.
type ByteSize int64

// byteUnits lists the units, the largest first among those that a size can be written in without a fraction.
var byteUnits = []struct {
	name string
	size ByteSize
}{
	{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1},
}

// UnmarshalText parses what the type's comment describes. The case of the unit does not matter.
func (b *ByteSize) UnmarshalText(text []byte) error {
	digits, unit := strings.TrimSpace(string(text)), ByteSize(1)
	for _, u := range byteUnits {
		if n := len(digits) - len(u.name); n > 0 && strings.EqualFold(digits[n:], u.name) {
			digits, unit = strings.TrimSpace(digits[:n]), u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return fmt.Errorf("expected a number of bytes such as 65536, 64KiB or 4MB but got %q", text)
	}
	*b = ByteSize(n) * unit
	return nil
}

// String writes b in the largest unit that needs no fraction, so that it can be read back.
func (b ByteSize) String() string {
	for _, u := range byteUnits {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return "0B"
}

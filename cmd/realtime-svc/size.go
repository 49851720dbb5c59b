package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes. Its text is a whole number, alone or with a unit: "65536", "64KiB", "4MiB", "1GiB".
type ByteSize int64

// byteUnits lists the units, largest first.
var byteUnits = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *ByteSize) UnmarshalText(text []byte) error {
	digits, factor := strings.TrimSpace(string(text)), int64(1)
	for _, unit := range byteUnits {
		if rest, ok := strings.CutSuffix(digits, unit.suffix); ok {
			digits, factor = strings.TrimSpace(rest), unit.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/factor {
		return fmt.Errorf("%q is not a number of bytes such as 65536, 64KiB or 4MiB", text)
	}
	*s = ByteSize(int64(n) * factor)
	return nil
}

// String returns the shortest text that UnmarshalText reads back as s.
func (s ByteSize) String() string {
	for _, unit := range byteUnits[:len(byteUnits)-1] {
		if s != 0 && int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

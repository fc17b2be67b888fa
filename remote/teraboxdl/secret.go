package teraboxdl

import "log/slog"

// Secret is a string that no formatting, logging or encoding shows: a key or a direct link.
// Convert it with string(s) where it is used.
type Secret string

const redacted = "[secret]"

// String keeps %s and %v from showing it.
func (Secret) String() string { return redacted }

// GoString keeps %#v from showing it.
func (Secret) GoString() string { return redacted }

// LogValue keeps slog from showing it.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps encoders from showing it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

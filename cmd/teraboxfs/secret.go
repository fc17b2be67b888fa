package main

import "log/slog"

// secret is a value that no log, error, panic or JSON may show. Only reveal gives it out. It sits in a
// function because fmt prints the unexported fields of whatever holds a secret without asking it.
type secret struct{ get func() string }

const redacted = "[redacted]"

func newSecret(value string) secret { return secret{func() string { return value }} }

func (s secret) reveal() string {
	if s.get == nil {
		return ""
	}
	return s.get()
}

func (s secret) empty() bool { return s.reveal() == "" }

// String, GoString, LogValue and MarshalText hide the value from every way of printing.
func (s secret) String() string               { return redacted }
func (s secret) GoString() string             { return redacted }
func (s secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

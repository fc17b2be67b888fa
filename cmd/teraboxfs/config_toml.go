package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// loadTOML applies one configuration file: flat keys, spelled as the flags are. An unknown key or a
// value its setting does not take is an error with its line and column.
//
// The document is decoded twice. Decoding into a map finds what no TOML document may have, such as a
// key given twice; walking the syntax tree finds what ours may not have, with positions.
func (c *config) loadTOML(path string, data []byte) error {
	var whole map[string]any
	if err := toml.Unmarshal(data, &whole); err != nil {
		var de *toml.DecodeError
		if errors.As(err, &de) {
			line, column := de.Position()
			return badTOML(path, line, column, "%s", strings.TrimPrefix(de.Error(), "toml: "))
		}
		return usage("read", path, "", "%w", err)
	}
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
		if err := c.applyTOML(path, &p, p.Expression()); err != nil {
			return err
		}
	}
	return nil
}

// applyTOML applies one top-level expression of a document.
func (c *config) applyTOML(path string, p *unstable.Parser, e *unstable.Node) error {
	keys := e.Key()
	if !keys.Next() {
		return nil // a comment
	}
	first := keys.Node()
	line, column := positionOf(p, first)
	if e.Kind != unstable.KeyValue || !keys.IsLast() {
		return badTOML(path, line, column, "there are no tables: write settings one a line, as in mem-cache = \"256M\"")
	}
	name := string(first.Data)
	flag := c.find(name)
	if flag == nil {
		return badTOML(path, line, column, "unknown setting %q", name)
	}
	value := e.Value()
	text, err := scalar(value)
	if err == nil {
		if err = flag.Value.Set(text); err != nil {
			err = errors.New(valueError(flag, text, err))
		}
	}
	if err != nil {
		return badTOML(path, line, column, "%s: %w", name, err)
	}
	c.origin[name] = fmt.Sprintf("%s:%d", path, line)
	return nil
}

// scalar is the text of a value that is one word: a string, a number or a boolean.
func scalar(n *unstable.Node) (string, error) {
	switch n.Kind {
	case unstable.String, unstable.Integer, unstable.Float, unstable.Bool:
		return string(n.Data), nil
	}
	return "", errors.New("a single value is needed")
}

// positionOf is the line and column of a key, both from 1.
func positionOf(p *unstable.Parser, key *unstable.Node) (line, column int) {
	before := p.Data()[:key.Raw.Offset]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

func badTOML(path string, line, column int, format string, args ...any) error {
	return usage("read", fmt.Sprintf("%s:%d:%d", path, line, column),
		"'teraboxfs mount --help' lists the settings; their names are those of the flags", format, args...)
}

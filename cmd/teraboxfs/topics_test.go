package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTopicsAreTrue: every setting, flag and command that a topic names is there, and every exit code is explained.
func TestTopicsAreTrue(t *testing.T) {
	a := newApp(nil, environment{}, console{})
	root := a.rootCommand()
	flag, command := regexp.MustCompile(`--([a-z][a-z-]*)`), regexp.MustCompile(`'teraboxfs ([a-z -]+)`)
	for _, topic := range topicCommands() {
		for _, m := range flag.FindAllStringSubmatch(topic.Long, -1) {
			known := m[1] == "name" || m[1] == "stdin" || m[1] == "cookies-txt" || m[1] == "origin" || m[1] == "live" || a.find(m[1]) != nil
			assert.True(t, known, "%s names --%s", topic.Name(), m[1])
		}
		for _, m := range command.FindAllStringSubmatch(topic.Long, -1) {
			found, rest, err := root.Find(strings.Fields(m[1]))
			require.NoError(t, err)
			assert.NotEqual(t, root, found, "%s names 'teraboxfs %s'", topic.Name(), m[1])
			for _, word := range rest {
				assert.True(t, !found.HasSubCommands() || strings.HasPrefix(word, "-"), "%s names 'teraboxfs %s'", topic.Name(), m[1])
			}
		}
		for line := range strings.Lines(topic.Long) {
			assert.LessOrEqual(t, len([]rune(line)), 140, "%s: %s", topic.Name(), line)
		}
	}
	codes, _, err := root.Find([]string{"exit-codes"})
	require.NoError(t, err)
	for _, code := range []int{exitOK, exitOther, exitUsage, exitNotFound, exitLogin, exitTemporary, exitSomeFailed, exitSpent, exitCheck, exitFuse, exitBusy, exitPending, exitInterrupted} {
		assert.Regexp(t, `(?m)^ +`+strconv.Itoa(code)+`  `, codes.Long)
	}
}

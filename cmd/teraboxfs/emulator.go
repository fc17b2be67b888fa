package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/teraboxfs/teraboxfs/emulator"
)

// emulatorFlags are the flags of emulator alone. The keys are those of the emulated service: they open
// nothing else, so they may be on a command line.
type emulatorFlags struct {
	listen, data, faults    string
	ndus, apiKey, apiSecret string
	latency                 time.Duration
	bandwidth, quota        size
}

func (a *app) emulatorCommand() *cobra.Command {
	f := emulatorFlags{quota: 1 << 40}
	run := func(ctx context.Context, _ []string) error { return a.emulate(ctx, f) }
	cmd := a.command("emulator", "Run a service like TeraBox on this machine", 0, 0, run)
	cmd.Long = "Runs a model of the service and of the TeraboxDL link service. The first line on standard\n" +
		"output is \"listening on http://127.0.0.1:PORT\". A later process on the same --data DIR\n" +
		"continues where this one ended. It always has the share https://terabox.com/s/1demo."
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:0", "address to listen on; port 0 is any free one")
	flags.StringVar(&f.data, "data", "", "directory to keep everything in (default memory)")
	flags.DurationVar(&f.latency, "latency", 0, "round trip added to every answer and new connection")
	flags.Var(&f.bandwidth, "bandwidth", "bytes a second of each connection; 0 is no limit")
	flags.StringVar(&f.faults, "faults", "", "JSON file of faults to act out")
	flags.StringVar(&f.ndus, "ndus", "demo", "the cookie that is logged in")
	flags.Var(&f.quota, "quota", "size of the drive")
	flags.StringVar(&f.apiKey, "api-key", "demo-key", "key of the emulated TeraboxDL account")
	flags.StringVar(&f.apiSecret, "api-secret", "demo-secret", "secret of the emulated TeraboxDL account")
	return cmd
}

// emulate runs the service until a signal, which ends it cleanly and is no failure.
func (a *app) emulate(ctx context.Context, f emulatorFlags) error {
	cfg := emulator.Config{
		NDUS: f.ndus, APIKey: f.apiKey, APISecret: f.apiSecret, Quota: int64(f.quota),
		Latency: f.latency, Bandwidth: int64(f.bandwidth), Log: a.log,
	}
	if f.faults != "" {
		faults, err := emulator.LoadFaults(f.faults)
		if err != nil {
			return usage("read", f.faults, "it is a JSON array of faults", "%w", withoutPath(err))
		}
		cfg.Faults = faults
	}
	running, err := startEmulator(cfg, f.data, f.listen)
	if err != nil {
		return fail("emulator", f.listen, err)
	}
	fmt.Fprintf(a.out, "listening on %s\n", running.URL)
	<-ctx.Done()
	return fail("emulator", "close", running.Close())
}

// startEmulator starts a service that keeps its data in dir, which is created; "" is memory.
func startEmulator(cfg emulator.Config, dir, listen string) (*emulator.Running, error) {
	if dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(abs, 0o700); err != nil {
			return nil, err
		}
		cfg.DataDir = abs
	}
	return emulator.Start(cfg, listen)
}

package main

import (
	"maps"
	"slices"

	"github.com/teraboxfs/teraboxfs/blockcache"
	"github.com/teraboxfs/teraboxfs/internal/control"
	"github.com/teraboxfs/teraboxfs/internal/measure"
	"github.com/teraboxfs/teraboxfs/internal/metrics"
)

// figures is all that metrics show of a mount. What it has of files and programs is numbers.
type figures struct {
	totals
	status            control.Status
	cache             blockcache.Stats
	operations, calls []measure.Totals
}

// write writes everything; docs/monitoring.md#metrics has the list.
func (f figures) write(to *metrics.Text) {
	f.writeMount(to)
	f.writeBytes(to)
	f.writeCache(to)
	f.writeQueue(to)
	f.writeCalls(to)
	f.writeProcess(to)
}

func (f figures) writeMount(to *metrics.Text) {
	to.Gauges("teraboxfs_info", "1, with the version that runs.", metrics.Value{Labels: []string{"version", f.status.Version}, Value: 1})
	var states []metrics.Value
	for _, state := range []string{control.StateOK, control.StateOffline, control.StateThrottled, control.StateGated, control.StateLoginNeeded} {
		v := metrics.Value{Labels: []string{"state", state}}
		if s := f.status.State; s == nil && state == control.StateOK || s != nil && s.State == state {
			v.Value = 1
		}
		states = append(states, v)
	}
	to.Gauges("teraboxfs_account_state", "1 for the state that the mount is in with the service, 0 for the others.", states...)
	to.Gauge("teraboxfs_open_files", "Files that programs have open.", float64(f.open))
	to.Gauge("teraboxfs_known_names", "Names of files and directories in memory.", float64(f.status.Known.Names))
	to.Histograms("teraboxfs_fuse_operation_duration_seconds", "Requests of the kernel, by kind. What it answers from its own caches or by passthrough is not seen.", "operation", f.operations)
	to.Counters("teraboxfs_fuse_errors_total", "Requests of the kernel that ended in an error.", failures(f.operations, "operation", "errno")...)
}

func (f figures) writeBytes(to *metrics.Text) {
	to.Counter("teraboxfs_read_bytes_total", "Bytes that programs read, not counting what the kernel reads itself.", float64(f.read))
	to.Counter("teraboxfs_written_bytes_total", "Bytes that programs wrote.", float64(f.written))
	to.Counter("teraboxfs_fetched_bytes_total", "Bytes of files that came from the service.", float64(f.fetched))
	to.Counter("teraboxfs_sent_bytes_total", "Bytes of files that went to the service.", float64(f.Sent))
}

func (f figures) writeCache(to *metrics.Text) {
	c := f.cache
	to.Counter("teraboxfs_cache_hits_total", "Reads that did not wait for the service.", float64(c.Hits))
	to.Counter("teraboxfs_cache_misses_total", "Reads that did.", float64(c.Misses))
	to.Gauge("teraboxfs_cache_memory_bytes", "Memory that file data takes.", float64(c.BytesHeld))
	to.Gauge("teraboxfs_cache_memory_limit_bytes", "Memory that it may take.", float64(c.MemoryBudget))
	to.Gauge("teraboxfs_cache_disk_bytes", "Disk that file data takes.", float64(c.Disk.Used))
	to.Gauge("teraboxfs_cache_disk_limit_bytes", "Disk that it may take; 0: there is no disk cache.", float64(c.Disk.Limit))
	to.Gauge("teraboxfs_cache_disk_files", "Files of which there is something on disk.", float64(c.Disk.Objects))
	to.Counter("teraboxfs_cache_disk_read_bytes_total", "Bytes that the disk cache had.", float64(c.Disk.Read))
	to.Counter("teraboxfs_cache_disk_written_bytes_total", "Bytes that came onto the disk.", float64(c.Disk.Written))
	to.Counter("teraboxfs_cache_disk_dropped_bytes_total", "Bytes that did not, because the disk had enough to do or no room.", float64(c.Disk.Dropped))
	to.Counter("teraboxfs_cache_disk_evicted_bytes_total", "Bytes that were removed to make room.", float64(c.Disk.Evicted))
	to.Counter("teraboxfs_cache_damaged_grains_total", "Grains of 128 KiB that were found damaged on disk, and fetched again.", float64(c.Disk.Damaged))
	to.Gauge("teraboxfs_fetches", "Ranges of files that are coming.", float64(c.FlightsNow))
	to.Gauge("teraboxfs_fetches_waiting", "Ranges of files that wait for a stream.", float64(c.FlightsQueued))
	to.Gauge("teraboxfs_streams", "Streams that may carry bytes at a time, as it is now.", float64(c.Streams))
}

func (f figures) writeQueue(to *metrics.Text) {
	var bytes, failed int64
	for _, p := range f.status.Pending {
		bytes += p.Bytes
		if p.Err != "" {
			failed++
		}
	}
	to.Gauge("teraboxfs_queue_files", "Files that are not on the drive as they were written.", float64(len(f.status.Pending)))
	to.Gauge("teraboxfs_queue_bytes", "Size of these files.", float64(bytes))
	to.Gauge("teraboxfs_queue_failed_files", "Files of these whose last attempt failed.", float64(failed))
	to.Gauge("teraboxfs_conflict_copies", "Conflict copies that this mount has made.", float64(len(f.status.Conflicts)))
	var staging control.Staging
	if f.status.Staging != nil {
		staging = *f.status.Staging
	}
	paused := 0.0
	if staging.Paused {
		paused = 1
	}
	to.Gauge("teraboxfs_staging_bytes", "Disk that unsent data takes.", float64(staging.Used))
	to.Gauge("teraboxfs_staging_limit_bytes", "Disk that it may take; 0: no limit.", float64(staging.Limit))
	to.Gauge("teraboxfs_staging_waiting_writers", "Writers that wait for such space.", float64(staging.Waiting))
	to.Gauge("teraboxfs_uploads_paused", "1 while uploads are paused.", paused)
}

func (f figures) writeCalls(to *metrics.Text) {
	to.Histograms("teraboxfs_service_request_duration_seconds", "Requests to the service, each attempt; of data to the first byte.", "call", f.calls)
	to.Counters("teraboxfs_service_errors_total", "Requests to the service that ended in an error, by its kind.", failures(f.calls, "call", "kind")...)
	each := func(of func(measure.Totals) int64) (values []metrics.Value) {
		for _, c := range f.calls {
			if n := of(c); n > 0 {
				values = append(values, metrics.Value{Labels: []string{"call", c.Name}, Value: float64(n)})
			}
		}
		return values
	}
	to.Counters("teraboxfs_service_retries_total", "Requests that were made again.", each(func(c measure.Totals) int64 { return c.Retries })...)
	to.Counters("teraboxfs_service_received_bytes_total", "Bytes of answers.", each(func(c measure.Totals) int64 { return c.In })...)
	to.Counters("teraboxfs_service_sent_bytes_total", "Bytes of file data in requests.", each(func(c measure.Totals) int64 { return c.Out })...)
	to.Counter("teraboxfs_service_throttled_total", "Answers that asked for less.", float64(f.Throttled))
	to.Gauge("teraboxfs_service_pace", "Calls a second that are made at most at present; 0: without bound.", f.status.Pace)
}

func (f figures) writeProcess(to *metrics.Text) {
	to.Counter("process_cpu_seconds_total", "Processor time of the process, in seconds.", f.cpu.Seconds())
	to.Gauge("process_resident_memory_bytes", "Memory of the process.", float64(f.rss))
	to.Gauge("process_start_time_seconds", "When the mount began, in seconds since 1970.", float64(f.status.Started.UnixMilli())/1000)
	to.Gauge("teraboxfs_heap_bytes", "Memory of these that objects and garbage take.", float64(f.heap))
	to.Gauge("go_goroutines", "Goroutines.", float64(f.goroutines))
}

// failures are the errors of rows by two labels, the row's name and the kind.
func failures(rows []measure.Totals, name, kind string) (values []metrics.Value) {
	for _, r := range rows {
		for _, k := range slices.Sorted(maps.Keys(r.Failures)) {
			values = append(values, metrics.Value{Labels: []string{name, r.Name, kind, k}, Value: float64(r.Failures[k])})
		}
	}
	return values
}

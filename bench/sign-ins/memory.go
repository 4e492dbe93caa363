package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// memory is the program's resident memory in bytes, and begins a new peak.
func (h *house) memory() int64 {
	now := h.status("VmRSS:")
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", h.cmd.Process.Pid), []byte("5"), 0) // where it cannot, the peak is since the start
	return now
}

// peak is the most that it was since memory.
func (h *house) peak() int64 { return h.status("VmHWM:") }

func (h *house) status(name string) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, is := strings.CutPrefix(line, name); is {
			kB, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kB * 1024
		}
	}
	return 0
}

// loadAverage is the machine's, over the last minute.
func loadAverage() string {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(content))[0]
}

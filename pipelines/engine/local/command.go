package local

import (
	"bytes"
	"context"
	"os/exec"
	"time"
)

// patience is how long a command that was told to end may take before it is
// killed, and how long its output is waited for after that.
const patience = 5 * time.Second

// command is a child that ends with everything it started when ctx does.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = patience
	ownGroup(cmd)
	return cmd
}

// output is what a command wrote.
type output struct{ stdout, stderr []byte }

func run(cmd *exec.Cmd) (output, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	endGroup(cmd)
	return output{stdout.Bytes(), stderr.Bytes()}, err
}

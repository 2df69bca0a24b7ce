// Package nettest holds relayed connections to what Go expects of any net.Conn.
//
// The suite is golang.org/x/net/nettest, written by others for other transports. Here each of
// its connections leads through a running assemble-proxy, whose binary ASSEMBLE_PROXY names.
package nettest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"
)

// patience is far beyond what anything here takes, for machines busy with something else.
const patience = 20 * time.Second

func TestRelayedConnections(t *testing.T) {
	binary := os.Getenv("ASSEMBLE_PROXY")
	if binary == "" {
		t.Fatal("ASSEMBLE_PROXY does not name the relay's binary; run scripts/soak.sh")
	}
	for _, engine := range []string{"auto", "copy", "splice"} {
		t.Run(engine, func(t *testing.T) {
			relay := start(t, binary, engine)
			// The suite asks different things of its two ends, so each is the client once.
			t.Run("from the client", func(t *testing.T) { nettest.TestConn(t, relay.pipe) })
			t.Run("from the server", func(t *testing.T) {
				nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
					client, server, stop, err := relay.pipe()
					return server, client, stop, err
				})
			})
			relay.stop(t)
		})
	}
}

// relay is a running process and the listener it leads to.
type relay struct {
	target  *net.TCPListener
	addr    string
	process *exec.Cmd
	log     *bytes.Buffer
	ended   chan error
}

func start(t *testing.T, binary, engine string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{target: listener.(*net.TCPListener), log: new(bytes.Buffer)}
	t.Cleanup(func() { listener.Close() })
	// The relay wants to be told its port, and somebody else may take a free one meanwhile.
	for attempt := 0; ; attempt++ {
		err := r.launch(binary, engine)
		if err == nil {
			break
		}
		if attempt == 5 {
			t.Fatalf("the relay does not start: %v\n%s", err, r.log)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the relay's log:\n%s", r.log)
		}
	})
	return r
}

func (r *relay) launch(binary, engine string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	r.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	r.process = exec.Command(binary,
		"--port", strconv.Itoa(port), "--to", r.target.Addr().String(), "--engine", engine, "--grace", "1")
	r.process.Stderr = r.log
	// It goes with this process, whichever way that ends: a test's own time limit is a panic,
	// after which nothing is cleaned up.
	r.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.process.Start(); err != nil {
		return err
	}
	r.ended = make(chan error, 1)
	go func() { r.ended <- r.process.Wait() }()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		select {
		case err := <-r.ended:
			return fmt.Errorf("ended at once: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		if exec.Command(binary, "health", "--port", strconv.Itoa(port)).Run() == nil {
			return nil
		}
	}
	r.process.Process.Kill()
	<-r.ended
	return errors.New("does not serve")
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// pipe opens one connection through the relay. The suite uses one after the other, so the next
// connection to the target belongs to the one just made.
func (r *relay) pipe() (client, server net.Conn, stop func(), err error) {
	client, err = net.DialTimeout("tcp", r.addr, patience)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := r.target.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, nil, nil, err
	}
	server, err = r.target.Accept()
	if err != nil {
		client.Close()
		return nil, nil, nil, err
	}
	stop = func() {
		client.Close()
		server.Close()
	}
	return client, server, stop, nil
}

// stop wants the relay to be still there, to end in good order, and to have had no fault of its own.
func (r *relay) stop(t *testing.T) {
	t.Helper()
	if err := r.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("the relay has not lived to the end: %v", err)
	}
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("the relay's end: %v", err)
		}
	case <-time.After(patience):
		r.process.Process.Kill()
		<-r.ended
		t.Errorf("the relay does not end within %v of SIGTERM", patience)
	}
	if bytes.Contains(r.log.Bytes(), []byte("panicked at")) {
		t.Error("the relay has panicked")
	}
}

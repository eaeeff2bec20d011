// A small client on whatsmeow: the second, independent judge of the simulator. It reads commands as lines on stdin and
// writes what happens as JSON lines on stdout.
//
//	text TO BODY     sends a text
//	disconnect       closes the connection, keeping the credentials
//	connect          opens it again
//	logout           unlinks this device
//	pair PHONE       asks for a pairing code
//	quit             ends
package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"
	_ "modernc.org/sqlite"
)

var output sync.Mutex

func say(event string, fields map[string]any) {
	line := map[string]any{"event": event}
	for name, value := range fields {
		line[name] = value
	}
	output.Lock()
	defer output.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		os.Exit(1)
	}
}

// toSimulator sends every request to the simulator, whatever host the client's constants name.
type toSimulator struct{ target *url.URL }

func (t toSimulator) RoundTrip(request *http.Request) (*http.Response, error) {
	copied := request.Clone(request.Context())
	copied.URL.Scheme, copied.URL.Host, copied.Host = t.target.Scheme, t.target.Host, t.target.Host
	return http.DefaultTransport.RoundTrip(copied)
}

func handle(event any) {
	switch got := event.(type) {
	case *events.QR:
		say("qr", map[string]any{"codes": got.Codes})
	case *events.PairSuccess:
		say("paired", map[string]any{"jid": got.ID.String(), "lid": got.LID.String()})
	case *events.PairError:
		say("pair-error", map[string]any{"error": got.Error.Error()})
	case *events.Connected:
		say("connected", nil)
	case *events.Disconnected:
		say("disconnected", nil)
	case *events.Message:
		say("text", map[string]any{"id": got.Info.ID, "from": got.Info.Sender.User, "text": textOf(got.Message)})
	case *events.UndecryptableMessage:
		say("undecryptable", map[string]any{"id": got.Info.ID})
	case *events.Receipt:
		say("receipt", map[string]any{"ids": got.MessageIDs, "type": string(got.Type)})
	case *events.OfflineSyncCompleted:
		say("offline", map[string]any{"count": got.Count})
	case *events.LoggedOut:
		say("logged-out", map[string]any{"onConnect": got.OnConnect, "reason": int(got.Reason)})
	case *events.StreamReplaced:
		say("replaced", nil)
	case *events.TemporaryBan:
		say("temporary-ban", map[string]any{"code": int(got.Code), "expireSeconds": int(got.Expire.Seconds())})
	case *events.ClientOutdated:
		say("client-outdated", nil)
	case *events.ConnectFailure:
		say("connect-failure", map[string]any{"reason": int(got.Reason)})
	case *events.StreamError:
		say("stream-error", map[string]any{"code": got.Code})
	}
}

func textOf(message *waE2E.Message) string {
	if message.GetConversation() != "" {
		return message.GetConversation()
	}
	return message.GetExtendedTextMessage().GetText()
}

func obey(ctx context.Context, client *whatsmeow.Client, line string) error {
	command, rest, _ := strings.Cut(line, " ")
	switch command {
	case "connect":
		return client.Connect()
	case "disconnect":
		client.Disconnect()
		return nil
	case "logout":
		return client.Logout(ctx)
	case "pair":
		code, err := client.PairPhone(ctx, rest, true, whatsmeow.PairClientChrome, "Chrome (Linux)")
		if err == nil {
			say("code", map[string]any{"code": code})
		}
		return err
	case "text":
		to, body, _ := strings.Cut(rest, " ")
		message := &waE2E.Message{Conversation: proto.String(body)}
		sent, err := client.SendMessage(ctx, types.NewJID(to, types.DefaultUserServer), message)
		if err == nil {
			say("sent", map[string]any{"id": sent.ID, "text": body})
		}
		return err
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}

func run() error {
	target := flag.String("url", "", "http URL of the simulator")
	root := flag.String("root", "", "root key, 64 hex digits")
	file := flag.String("db", "", "SQLite file of the credentials")
	flag.Parse()
	key, err := hex.DecodeString(*root)
	if err != nil || len(key) != len(whatsmeow.WACertPubKey) {
		return fmt.Errorf("-root: expected 64 hex digits")
	}
	copy(whatsmeow.WACertPubKey[:], key)
	address, err := url.Parse(*target)
	if err != nil {
		return fmt.Errorf("-url: %w", err)
	}
	db, err := sql.Open("sqlite", "file:"+*file+"?_pragma=foreign_keys(1)&_pragma=busy_timeout(10000)&_pragma=synchronous(off)")
	if err != nil {
		return err
	}
	defer db.Close()
	ctx := context.Background()
	container := sqlstore.NewWithDB(db, "sqlite3", waLog.Noop)
	if err = container.Upgrade(ctx); err != nil {
		return err
	}
	device, err := container.GetFirstDevice(ctx)
	if err != nil {
		return err
	}
	client := whatsmeow.NewClient(device, logTo())
	http := &http.Client{Transport: toSimulator{address}}
	client.SetWebsocketHTTPClient(http)
	client.SetPreLoginHTTPClient(http)
	client.AddEventHandler(handle)
	if err = client.Connect(); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer client.Disconnect()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == "quit" {
			return nil
		}
		if err = obey(ctx, client, lines.Text()); err != nil {
			say("error", map[string]any{"error": err.Error()})
		}
	}
	return nil
}

// logTo is silent unless a developer asks: stdout belongs to the events.
func logTo() waLog.Logger {
	if os.Getenv("WHATSMEOW_LOG") == "" {
		return waLog.Noop
	}
	return stderrLog{}
}

type stderrLog struct{}

func (stderrLog) write(format string, args []any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (l stderrLog) Warnf(f string, a ...any)      { l.write(f, a) }
func (l stderrLog) Errorf(f string, a ...any)     { l.write(f, a) }
func (l stderrLog) Infof(f string, a ...any)      { l.write(f, a) }
func (l stderrLog) Debugf(f string, a ...any)     { l.write(f, a) }
func (l stderrLog) Sub(string) waLog.Logger       { return l }

func main() {
	if err := run(); err != nil {
		say("fatal", map[string]any{"error": err.Error()})
		os.Exit(1)
	}
}

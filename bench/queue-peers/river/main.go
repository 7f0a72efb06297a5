// River as a contestant of `./site bench queue`; bench/README.md tells the protocol.
//
//	river migrate URL
//	river work URL EVERY MAX_WORKERS
//	river produce URL
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sys/unix"
)

const (
	queueName = "bench"
	lot       = 1000
	// The least that River takes; its maintainers advise it for throughput.
	cooldown = time.Millisecond
	poll     = 20 * time.Millisecond
)

type noop struct {
	Filler string `json:"filler"`
}

func (noop) Kind() string { return "noop" }

var payload = noop{Filler: strings.Repeat("x", 187)}

type worker struct {
	river.WorkerDefaults[noop]
	pool *pgxpool.Pool
	// Completes the job in a transaction of its own, and tells.
	alone bool
}

// Work does nothing. Where single jobs are measured it completes the job in its own
// transaction, as River advises for effects: the usual completer waits for others first.
func (w *worker) Work(ctx context.Context, job *river.Job[noop]) error {
	if !w.alone {
		return nil
	}
	tx, err := w.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	say("done", now())
	return nil
}

func main() {
	log.SetFlags(0)
	ctx := context.Background()
	role, url := os.Args[1], os.Args[2]
	pool, err := pgxpool.New(ctx, url)
	check(err)
	switch role {
	case "migrate":
		migrate(ctx, pool)
	case "work":
		work(ctx, pool, number(os.Args[3]), number(os.Args[4]))
	default:
		produce(ctx, pool)
	}
}

func migrate(ctx context.Context, pool *pgxpool.Pool) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	check(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	check(err)
}

func work(ctx context.Context, pool *pgxpool.Pool, every, maxWorkers int) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{pool: pool, alone: every == 1})
	client := newClient(pool, &river.Config{
		FetchCooldown:     cooldown,
		FetchPollInterval: poll,
		JobTimeout:        -1,
		Queues:            map[string]river.QueueConfig{queueName: {MaxWorkers: maxWorkers}},
		Workers:           workers,
	})
	// Told after the rows are committed as completed.
	completed, _ := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: max(every, 1000),
		Kinds:    []river.EventKind{river.EventKindJobCompleted},
	})
	say("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		check(client.Start(ctx))
		if every > 1 {
			go count(completed, every)
		}
	}
}

func count(completed <-chan *river.Event, every int) {
	done := 0
	for range completed {
		if done++; done%every == 0 {
			say("done", now())
		}
	}
}

func produce(ctx context.Context, pool *pgxpool.Pool) {
	client := newClient(pool, &river.Config{FetchCooldown: cooldown, FetchPollInterval: poll})
	say("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if lines.Text() == "settle" {
			say("settled", now())
		} else {
			enqueue(ctx, client, number(lines.Text()))
		}
	}
}

func enqueue(ctx context.Context, client *river.Client[pgx.Tx], jobs int) {
	opts := &river.InsertOpts{Queue: queueName}
	begin := now()
	if jobs == 1 {
		_, err := client.Insert(ctx, payload, opts)
		check(err)
	}
	for sent := 0; jobs > 1 && sent < jobs; sent += lot {
		params := make([]river.InsertManyParams, min(lot, jobs-sent))
		for i := range params {
			params[i] = river.InsertManyParams{Args: payload, InsertOpts: opts}
		}
		_, err := client.InsertManyFast(ctx, params)
		check(err)
	}
	say("begin", begin)
	say("enqueued", now())
}

func newClient(pool *pgxpool.Pool, config *river.Config) *river.Client[pgx.Tx] {
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	check(err)
	return client
}

func say(words ...any) { fmt.Println(words...) }

func now() int64 {
	var at unix.Timespec
	check(unix.ClockGettime(unix.CLOCK_MONOTONIC, &at))
	return at.Nano()
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

package fleet

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"
)

const (
	failuresToOpen = 3                      // in a row; then nothing is sent for openFor
	openFor        = 500 * time.Millisecond // and after that one command at a time tries
	connections    = 8                      // to each node; the work behind Run and an operator's commands need no more
)

// errOpen is why commands fail while Redis is known not to answer.
var errOpen = errors.New("it did not answer before")

// UnansweredError says that Redis gave no answer or cannot serve now: what was asked may or may not have been done.
type UnansweredError struct{ cause error }

// Error says what would be right and why it is not.
func (e *UnansweredError) Error() string {
	return "redis does not answer: " + e.cause.Error() + "; see that it runs, can be reached from here and lets this user in"
}

// Unwrap returns the cause.
func (e *UnansweredError) Unwrap() error { return e.cause }

func unanswered(err error) bool {
	_, ok := errors.AsType[*UnansweredError](err)
	return ok
}

// link is a client of Redis, however many servers that is, behind a breaker: when Redis does not answer, commands fail
// at once instead of waiting for it.
type link struct {
	redis.UniversalClient
	timeout time.Duration
	breaker *gobreaker.CircuitBreaker[struct{}]
	state   atomic.Int32
	cause   atomic.Pointer[error] // why the last command got no answer
	log     *slog.Logger
	back    func() // called when Redis answers again; must not wait
}

// What is known of Redis.
const (
	stateUnknown int32 = iota
	stateUp
	stateAway
)

func newLink(cfg Config, log *slog.Logger, back func()) (*link, error) {
	secure, err := cfg.TLS.config()
	if err != nil {
		return nil, err
	}
	redis.SetLogger(silence{}) // it would write a line to standard error for each attempt
	l := &link{timeout: cfg.Timeout, log: log, back: back}
	l.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:       openFor,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToOpen },
		IsSuccessful:  func(err error) bool { return !away(err) },
		IsExcluded:    func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, _, to gobreaker.State) { l.turned(to) },
	})
	l.UniversalClient = redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: cfg.Addrs, MasterName: cfg.MasterName, IsClusterMode: cfg.Cluster, DB: cfg.DB,
		Username: cfg.Username, Password: cfg.Password,
		SentinelUsername: cfg.SentinelUsername, SentinelPassword: cfg.SentinelPassword,
		TLSConfig: secure, Protocol: 2, DisableIdentity: true,
		ContextTimeoutEnabled: true, DialTimeout: 2 * cfg.Timeout, ReadTimeout: cfg.Timeout, WriteTimeout: cfg.Timeout,
		PoolTimeout: cfg.Timeout, PoolSize: connections, PipelinePoolSize: -1,
		MaxRetries: -1, DialerRetries: 1, FailingTimeoutSeconds: 1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	l.AddHook(guard{l})
	return l, nil
}

// run runs a script within the time that a command may take.
func (l *link) run(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	ctx, cancel := l.bound(ctx)
	defer cancel()
	return script.Run(ctx, l, keys, args...).Slice()
}

// command marks the context of a command that is to pass the breaker. What the client sends of itself, such as the
// greeting of a new connection, is none: it would have to pass while the command for whose sake it is sent does.
type command struct{}

// bound returns the context for a command.
func (l *link) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithValue(ctx, command{}, true), 4*l.timeout)
}

// turned says once that Redis is away. The breaker calls it under its lock.
func (l *link) turned(to gobreaker.State) {
	if to == gobreaker.StateOpen && l.state.Swap(stateAway) != stateAway {
		l.log.Warn("redis does not answer, the replica goes on with what it has", slog.Any("error", *l.cause.Load()))
	}
}

// guarded sends a command through the breaker.
func (l *link) guarded(ctx context.Context, send func(context.Context) error) error {
	if ctx.Value(command{}) == nil {
		return send(ctx)
	}
	_, err := l.breaker.Execute(func() (struct{}, error) {
		err := send(context.WithValue(ctx, command{}, nil))
		if away(err) {
			l.cause.Store(&err)
		}
		return struct{}{}, err
	})
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		return &UnansweredError{errOpen}
	case away(err):
		return &UnansweredError{err}
	case l.state.Swap(stateUp) != stateUp:
		l.log.Info("redis answers")
		l.back()
	}
	return err
}

// away reports whether an error means that Redis could not be asked, or cannot serve anybody now. Any other answer,
// even that something is wrong, is one.
func away(err error) bool {
	if err == nil {
		return false
	}
	reply, ok := errors.AsType[redis.Error](err)
	if !ok {
		return true
	}
	for _, unable := range []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY", "BUSY ", "NOAUTH", "WRONGPASS"} {
		if strings.HasPrefix(reply.Error(), unable) {
			return true
		}
	}
	return false
}

// guard puts the breaker in front of every command.
type guard struct{ link *link }

// DialHook leaves connecting as it is.
func (guard) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook guards a command.
func (g guard) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return g.link.guarded(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

// ProcessPipelineHook leaves pipelines as they are: only the client itself sends any.
func (guard) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// silence is a logger of the client library.
type silence struct{}

// Printf says nothing: the link tells what changes.
func (silence) Printf(context.Context, string, ...any) {}

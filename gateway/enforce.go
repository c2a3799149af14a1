package gateway

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"gate451/config"
	"gate451/gateway/canonical"
	"gate451/gateway/clientip"
	"gate451/gateway/console"
	"gate451/gateway/evidence"
	"gate451/gateway/fleet"
	"gate451/gateway/geoip"
	"gate451/gateway/goods"
	"gate451/gateway/refusal"
	"gate451/rules"
)

// Enforcer judges requests and refuses those that may not pass. It is all that Enforce needs, and may be used
// without a Gateway by another Echo program.
type Enforcer struct {
	judge
	cfg      *config.Config
	log      *slog.Logger
	registry prometheus.Registerer
	metrics  *metrics
	recorder *recorder     // nil without evidence
	fleet    *fleet.Fleet  // nil without Redis
	latest   *console.Feed // nil where nobody looks
	previews previews      // what auditors need to be shown any
	troubles sync.Map      // of the databases that could not be loaded again, by name
	refusals *refusal.Writer
	random   io.Reader
	pool     sync.Pool // of *judgement
	// judged, if not nil, is told of every judgement before it is acted upon.
	judged func(echo.Context, *judgement)

	private, unusable, guessed firstTime
}

// NewEnforcer loads the policy, its catalogues and the databases that the configuration names. Its error says everything that is
// wrong with them, and what would be right.
func NewEnforcer(cfg *config.Config, opts Options) (*Enforcer, error) {
	opts = opts.withDefaults()
	var registry prometheus.Registerer = opts.Registry
	if opts.Registry == nil {
		registry = newRegistry()
	}
	e := &Enforcer{cfg: cfg, log: opts.Logger, registry: registry, metrics: newMetrics(registry, opts.Build), random: opts.Random}
	e.pool.New = func() any { return new(judgement) }
	e.judge.now = opts.Now
	if e.header = cfg.GeoIP.Header; e.header != "" {
		e.metrics.hear()
	}
	e.goods = goods.Options{MostBytes: cfg.Limits.ReadBytes, Documents: goods.NewDocuments(), Decoders: new(goods.Decoders)}
	var errs [4]error
	e.clients, errs[0] = newClients(cfg)
	replace := func(divides func(rules.Country) bool, replace func()) error {
		return e.policy.replace(divides, replace)
	}
	e.places, errs[1] = openPlaces(cfg, geoip.Options{Logger: opts.Logger, Now: opts.Now, Replace: replace, OnReload: func(database string, err error) {
		e.metrics.databaseReloads.WithLabelValues(database, reloadResult(err)).Inc()
		if err != nil {
			e.troubles.Store(database, err.Error())
			return
		}
		e.troubles.Delete(database)
		e.noteDatabase(database)
		if e.fleet != nil {
			e.fleet.Again() // a policy may have been refused for want of it
		}
	}})
	e.policy = &policySource{file: cfg.Policy, text: opts.Policy, log: opts.Logger, loaded: e.metrics.policyLoaded, now: opts.Now, note: func(event evidence.Event) {
		e.recorder.note(event)
	}}
	if e.places != nil && !opts.anyPolicy {
		e.policy.divides = e.places.Divides
	}
	errs[2] = placed(cfg, e.policy.load(), func(error) any { return &cfg.Policy })
	e.refusals, errs[3] = newRefusals(cfg)
	e.previews = newPreviews(string(cfg.Refusal.PreviewToken))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	registry.MustRegister(databaseCollector{e.places}, policyCollector{e.policy}, catalogueCollector{e.policy}, disagreementCollector{e.places})
	return e, nil
}

func reloadResult(err error) string {
	if err != nil {
		return "refused"
	}
	return "loaded"
}

// Reload reads the policy, its catalogues and the databases again. What is bad changes nothing; the error says what that is.
func (e *Enforcer) Reload() error {
	policy, places := e.policy.load(), e.places.Reload()
	if policy != nil && places == nil {
		policy = e.policy.load() // the new databases may tell what it was refused for
	}
	return errors.Join(policy, places, e.recorder.reload())
}

// noteDatabase writes into the evidence that a database was replaced.
func (e *Enforcer) noteDatabase(name string) {
	for _, db := range e.places.Databases() {
		if db.Name == name {
			e.recorder.noteDatabase(db)
		}
	}
}

// contextKey is where Enforce leaves the judgement of a request that passes.
const contextKey = "gate451.judgement"

// DecisionOf returns what Enforce has decided about the request to the handlers behind it; ok is false if it has not
// seen the request, and again once it has returned. The decision must not be kept after the handler returns.
func DecisionOf(c echo.Context) (d *rules.Decision, ok bool) {
	j, ok := c.Get(contextKey).(*judgement)
	if !ok {
		return nil, false
	}
	return &j.decision, true
}

// Enforce returns the compliance step as a middleware for Echo.Pre, where it runs before routing. It answers what is
// malformed with 400 and what may not pass with 451, and hands on the rest.
func Enforce(e *Enforcer) echo.MiddlewareFunc {
	tell := func(c echo.Context, o *outcome) { e.tell(c.Response(), c.Request(), o) }
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		next = e.orPreviewPage(next)
		return func(c echo.Context) error { return e.enforce(c, next, tell) }
	}
}

// enforce judges a request and hands it on to next, or has tell answer it.
func (e *Enforcer) enforce(c echo.Context, next echo.HandlerFunc, tell func(echo.Context, *outcome)) error {
	j := e.pool.Get().(*judgement)
	defer e.pool.Put(j)
	start := time.Now()
	j.asking = e.previews.take(c.Request().Header)
	if err := e.judge.judge(c.Response().Writer, c.Request(), j); err != nil {
		tell(c, e.reject(err))
		return nil
	}
	e.metrics.decided(j, time.Since(start)-j.waited)
	e.countSources(c.Request(), j)
	e.count(&j.decision)
	e.wonder(j)
	if e.judged != nil {
		e.judged(c, j)
	}
	recorded := e.recorder.wants(j)
	if recorded || j.decision.Verdict == rules.Block {
		j.reference = refusal.NewReference(e.random)
	}
	var err error
	if recorded {
		err = e.recorder.record(c.Request(), j, e.sources(c.Request(), j))
	}
	e.showLatest(c.Request(), j, recorded, err)
	if err != nil {
		// What cannot be proved is not done. The evidence counts it, and says in the log why.
		tell(c, &outcome{Status: http.StatusServiceUnavailable})
		return nil
	}
	if j.decision.Verdict == rules.Block {
		e.logRefusal(c.Request(), j)
		tell(c, j.refused(c.Request()))
		return nil
	}
	if o := e.look(c, j); o != nil {
		tell(c, o)
		return nil
	}
	c.Set(contextKey, j)
	defer c.Set(contextKey, nil) // or else whoever asks later would be told of another request
	return next(c)
}

// reject says what is told of a request that can be neither judged nor forwarded.
func (e *Enforcer) reject(err error) *outcome {
	status, cause := http.StatusBadRequest, "other"
	if m, ok := errors.AsType[*canonical.Malformed](err); ok {
		status, cause = m.Status, m.Cause
	}
	e.metrics.rejected.WithLabelValues(cause).Inc()
	e.log.Debug("request rejected", slog.String("cause", cause), slog.Any("error", err))
	return &outcome{Status: status}
}

// patience is how long a client that has its answer may go on sending a body before the connection is cut.
const patience = 5 * time.Second

// short answers with nothing but the status in words.
func short(w http.ResponseWriter, r *http.Request, status int) {
	brief(w, r, status, http.StatusText(status))
}

// brief answers with a line of text, and closes the connection, because whoever sends something that is answered so may have more
// to say behind it.
func brief(w http.ResponseWriter, r *http.Request, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if r.ProtoMajor == 1 {
		h.Set("Connection", "close")
		// The server reads some of the rest before it closes, however slowly it comes.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // a client that is gone needs no answer, and to HEAD the server sends none
}

// wonder tells the operator, once each, what looks like a missing word in the configuration.
func (e *Enforcer) wonder(j *judgement) {
	switch {
	case j.clientErr != nil && e.unusable.is():
		var reason string
		if c, ok := errors.AsType[*clientip.Error](j.clientErr); ok {
			reason = string(c.Reason)
		}
		e.log.Warn("a request's client address could not be established; the policy's client_address decides about such requests",
			slog.String("reason", reason), slog.Any("error", j.clientErr))
	case j.origin.Traits.Has(rules.PrivateNetwork) && !j.client.Trusted && e.private.is():
		e.log.Warn("a request came from a private address; if that is a balancer or proxy, name it under client_ip.trusted_proxies, or every buyer is judged by its address",
			slog.String("peer", j.client.Peer.String()))
	}
}

// refused says what a buyer is told whom a decision blocks: why, or that a document is missing. It is the judgement's, and
// good for as long.
func (j *judgement) refused(r *http.Request) *outcome {
	d, o, f := &j.decision, &j.told.outcome, &j.told.refusal
	if j.unsent {
		*o = outcome{Status: http.StatusOK, Document: j.reference}
		return o
	}
	*f = refusal.Refusal{
		Kind: refusal.Access, Country: d.Country, Reason: d.Reason.String(),
		Activity: d.Activity, Product: d.Product, Rule: d.RuleID(), Reference: j.reference,
	}
	if d.Product != "" {
		j.told.products[0] = j.policy.Title(d.Product)
		f.Products = j.told.products[:]
	}
	if d.Rule != nil {
		f.Kind, f.Basis, f.Alternatives = d.Rule.Refusal, refusal.Basis(d.Rule.Basis), d.Rule.Alternatives
		f.Since, f.Until = in(d.Rule.Effective.From, j.policy.Zone()), in(d.Rule.Effective.Until, j.policy.Zone())
	}
	*o = outcome{Status: http.StatusUnavailableForLegalReasons, Refusal: f, Scheme: j.scheme(r), Zone: j.policy.Zone().String()}
	return o
}

// logRefusal makes nothing of what it would say where nobody reads it, and hands it over without a copy of each attribute: it is
// done for every refusal.
func (e *Enforcer) logRefusal(r *http.Request, j *judgement) {
	ctx, d := r.Context(), &j.decision
	if !e.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	e.log.LogAttrs(ctx, slog.LevelInfo, "request refused", slog.String("reference", j.reference), slog.String("reason", d.Reason.String()),
		slog.String("rule", d.RuleID()), slog.String("activity", d.Activity), slog.String("product", d.Product), slog.String("country", d.Country.String()),
		slog.String("client", truncated(d.Client)), slog.String("method", methodLabel(r.Method)), slog.String("host", j.request.Host),
		slog.String("path", j.request.Paths[0]), slog.String("policy", d.Policy))
}

// in moves an instant to a zone and leaves none as it is.
func in(at time.Time, zone *time.Location) time.Time {
	if at.IsZero() {
		return at
	}
	return at.In(zone)
}

// truncated returns the network of an address that is told to logs: /24 of IPv4, /48 of IPv6. It is empty for no address.
func truncated(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	var memory [len("ffff:ffff:ffff::/48")]byte
	return string(netip.PrefixFrom(addr, bits).Masked().AppendTo(memory[:0]))
}

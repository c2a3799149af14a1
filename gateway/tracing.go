package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"gate451/config"
)

// tracer tells a collector how requests went and how long that took. It is nil where the configuration names none, and then
// costs nothing.
//
// A span says what was decided and what the operator's own files call it; it never has an address, a path, a host, a SKU or
// anything else that a buyer can choose. Whether a request is traced is the gateway's choice, or that of a
// trusted proxy: what a buyer says of traces is neither believed nor handed on.
type tracer struct {
	trace.Tracer
	provider  *sdktrace.TracerProvider
	collector *collector
}

const (
	// mostSpans is how many spans wait for the collector; what comes beyond is dropped, and no request waits.
	mostSpans = 4096
	// spansAtOnce is how many are sent together, and spanDelay how long the first of them waits for the others.
	spansAtOnce = 512
	spanDelay   = 5 * time.Second
	// flushPatience is how long the end of the program waits for the collector to take what is left.
	flushPatience = 5 * time.Second
)

// trace has requests traced, if the configuration says where to.
func (g *Gateway) trace(opts Options) (err error) {
	g.tracer, err = newTracer(g.cfg, opts, g.Enforcer.registry)
	return err
}

// newTracer returns nil if the configuration has no collector.
func newTracer(cfg *config.Config, opts Options, registry prometheus.Registerer) (*tracer, error) {
	c := &cfg.Tracing
	if c.Endpoint == nil {
		return nil, nil
	}
	name, err := replicaName(cfg)
	if err != nil {
		return nil, cfg.Problem(&cfg.Replica, err.Error())
	}
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "gate451", Name: "spans_total", Help: "Spans of traces, by whether the collector took them.",
	}, []string{"result"})
	registry.MustRegister(spans)
	t := &tracer{collector: newCollector(c.Endpoint)}
	told, err := otlptrace.New(context.Background(), t.collector)
	if err != nil {
		return nil, cfg.Problem(&c.Endpoint, err.Error())
	}
	exporter := &exporter{
		SpanExporter: told, log: opts.Logger, sent: spans.WithLabelValues("sent"), failed: spans.WithLabelValues("failed"),
	}
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(mostSpans), sdktrace.WithMaxExportBatchSize(spansAtOnce),
			sdktrace.WithBatchTimeout(spanDelay), sdktrace.WithExportTimeout(exportPatience)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.Sample))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "gate451"), attribute.String("service.version", opts.Build.Version), attribute.String("service.instance.id", name),
		)),
	)
	t.Tracer = t.provider.Tracer("gate451")
	return t, nil
}

// close tells the collector what is left, until limit ends.
func (t *tracer) close(limit context.Context) {
	if t == nil {
		return
	}
	defer t.collector.close()
	defer context.AfterFunc(limit, t.collector.close)()
	_ = t.provider.Shutdown(context.Background()) // what could not be told has been counted
}

// traced is the trace of one exchange.
type traced struct {
	tracer   *tracer
	ctx      context.Context
	span     trace.Span
	upstream trace.Span // while the request is there
}

// begin begins the trace of a request that has been judged. It returns nil if there is no tracer.
func (t *tracer) begin(x *exchange, r *http.Request, j *judgement) *traced {
	if t == nil {
		return nil
	}
	ctx := context.Background()
	if j.client.Trusted && len(r.Header["Traceparent"]) == 1 {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	}
	route := "other"
	if x.route != nil {
		route = x.route.name
	}
	method := methodLabel(r.Method)
	tr := &traced{tracer: t}
	tr.ctx, tr.span = t.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(x.begun))
	if tr.span.IsRecording() {
		tr.span.SetAttributes(attribute.String("http.request.method", method), attribute.String("url.scheme", j.scheme(r)), attribute.String("gate451.route", route))
		tr.span.SetAttributes(decisionAttributes(j)...)
	}
	return tr
}

// decisionAttributes are what a span tells of a decision. The policy's words and the country come from the operator's files and
// the databases, and their number is bounded.
func decisionAttributes(j *judgement) []attribute.KeyValue {
	d := &j.decision
	all := []attribute.KeyValue{
		attribute.String("gate451.verdict", d.Verdict.String()), attribute.String("gate451.reason", d.Reason.String()), attribute.String("gate451.policy", d.Policy),
	}
	for key, value := range map[string]string{
		"gate451.rule": d.RuleID(), "gate451.activity": d.Activity, "gate451.product": d.Product, "gate451.country": j.origin.Country.String(),
	} {
		if value != "" {
			all = append(all, attribute.String(key, value))
		}
	}
	var shadow []string
	for s := range d.Shadows {
		shadow = append(shadow, s.Rule.ID)
	}
	if shadow != nil {
		all = append(all, attribute.StringSlice("gate451.shadow", shadow))
	}
	return all
}

// toUpstream begins the part of a trace that happens behind the gateway. It returns what the upstream is told of it: the
// values of traceparent and tracestate (W3C Trace Context), of which the second may be empty.
func (tr *traced) toUpstream(route string) (parent, state string) {
	var ctx context.Context
	ctx, tr.upstream = tr.tracer.Start(tr.ctx, "upstream "+route, trace.WithSpanKind(trace.SpanKindClient))
	told := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, told)
	return told["traceparent"], told["tracestate"]
}

// fromUpstream ends that part.
func (tr *traced) fromUpstream(x *exchange) { endSpan(tr.upstream, x.status) }

// end ends the trace of an exchange.
func (tr *traced) end(x *exchange) {
	if tr != nil {
		endSpan(tr.span, x.status)
	}
}

// endSpan ends a span with the status that was answered, which is 0 if the exchange ended before there was one.
func endSpan(span trace.Span, status int) {
	if status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if status == 0 || status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// exporter hands spans to the collector. A failure is counted, told once in a while, and goes no further: the SDK would write
// it to standard error itself.
type exporter struct {
	sdktrace.SpanExporter
	log          *slog.Logger
	sent, failed prometheus.Counter
	told         time.Time // belongs to ExportSpans, of which there is one call at a time
}

// failuresTold is how often a collector that fails is spoken of at most.
const failuresTold = time.Minute

// ExportSpans hands on spans. It returns nil.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		e.sent.Add(float64(len(spans)))
		return nil
	}
	e.failed.Add(float64(len(spans)))
	if time.Since(e.told) >= failuresTold {
		e.told = time.Now()
		e.log.Warn("the collector does not take traces; see tracing.endpoint in gateway.yaml", slog.Any("error", err))
	}
	return nil
}

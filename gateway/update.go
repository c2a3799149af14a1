package gateway

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gate451/config"
	"gate451/gateway/geoip"
	"gate451/gateway/maxmind"
)

// Asking says how patient a call of UpdateDatabases is.
type Asking = maxmind.Asking

// The ways of asking.
const (
	// AskAnyway asks for every edition but those that have to wait because they failed.
	AskAnyway = maxmind.Anyway
	// AskAtOnce asks for every edition.
	AskAtOnce = maxmind.AtOnce
)

// UpdateReport says what came of asking for one edition.
type UpdateReport = maxmind.Report

// What may have come of it.
const (
	DatabaseUpdated   = maxmind.Updated
	DatabaseUnchanged = maxmind.Unchanged
	DatabaseWaiting   = maxmind.Waiting
)

// UpdateDatabases asks for the editions that a configuration names, and puts newer databases in place. A gateway that runs
// takes them into use by itself. The error says why nobody was asked; a failure of one edition is in its report.
func UpdateDatabases(ctx context.Context, cfg *config.Config, asking Asking, now func() time.Time) ([]UpdateReport, error) {
	if !cfg.GeoIP.Update.On() {
		return nil, cfg.Problem(&cfg.GeoIP, "no database is to be fetched; name account_id, license_key_file and editions under geoip.update")
	}
	u, err := newUpdater(cfg, maxmind.Options{Now: now})
	if err != nil {
		return nil, err
	}
	reports, err := u.Update(ctx, asking)
	if err != nil {
		return reports, cfg.Problem(&cfg.GeoIP.Update.Dir, err.Error())
	}
	return reports, nil
}

func newUpdater(cfg *config.Config, opts maxmind.Options) (*maxmind.Updater, error) {
	c := &cfg.GeoIP.Update
	opts.Agent = "gate451/" + ThisBuild().Version
	opts.Check = func(path string) (string, time.Time, error) {
		info, err := geoip.Inspect(path)
		return info.Type, info.Built, err
	}
	u, err := maxmind.New(maxmind.Config{
		URL: c.URL, AccountID: c.AccountID, LicenseKey: string(c.LicenseKey), Editions: c.Editions, Dir: c.Dir, Every: c.Every,
	}, opts)
	if err != nil {
		return nil, cfg.Problem(c, err.Error())
	}
	return u, nil
}

// renewDatabases returns what keeps the databases current while the gateway runs; nothing if that is for the operator.
func (e *Enforcer) renewDatabases(opts Options) (func(context.Context), error) {
	if !e.cfg.GeoIP.Update.On() {
		return func(context.Context) {}, nil
	}
	u, err := newUpdater(e.cfg, maxmind.Options{Logger: e.log, Now: opts.Now, OnResult: func(edition string, result maxmind.Result) {
		e.metrics.databaseUpdates.WithLabelValues(edition, string(result)).Inc()
	}})
	if err != nil {
		return nil, err
	}
	e.registry.MustRegister(updateCollector{&e.cfg.GeoIP.Update, e.log})
	return u.Run, nil
}

// updateCollector shows when each edition was last known to be the newest, whichever process has asked.
type updateCollector struct {
	update *config.Update
	log    *slog.Logger
}

var databaseChecked = prometheus.NewDesc("gate451_geoip_update_last_success_timestamp_seconds",
	"When the database of an edition was last known to be the newest; 0 if it never was.", []string{"edition"}, nil)

// Describe implements prometheus.Collector.
func (c updateCollector) Describe(ch chan<- *prometheus.Desc) { ch <- databaseChecked }

// Collect implements prometheus.Collector.
func (c updateCollector) Collect(ch chan<- prometheus.Metric) {
	all, err := maxmind.Statuses(c.update.Dir, c.update.Editions)
	if err != nil {
		c.log.Debug("geoip update state cannot be shown", slog.Any("error", err))
	}
	for _, s := range all {
		at := 0.0
		if !s.Checked.IsZero() {
			at = float64(s.Checked.Unix())
		}
		ch <- prometheus.MustNewConstMetric(databaseChecked, prometheus.GaugeValue, at, s.Edition)
	}
}

// UpdateRecord is how a database is kept current, as geoip info writes it.
type UpdateRecord struct {
	Edition string `json:"edition"`
	// Checked is when the database was last known to be the newest; it is left out if it never was.
	Checked time.Time `json:"checked,omitzero"`
	// Next is when the server is asked again.
	Next time.Time `json:"next,omitzero"`
	// Failures counts those since, and Error says what the last one was.
	Failures int    `json:"failures"`
	Error    string `json:"error,omitempty"`
}

// updateRecords returns how the databases of a configuration are kept current, by path.
func updateRecords(cfg *config.Config) map[string]*UpdateRecord {
	c := &cfg.GeoIP.Update
	all, err := maxmind.Statuses(c.Dir, c.Editions)
	records := map[string]*UpdateRecord{}
	for _, s := range all {
		r := UpdateRecord{Edition: s.Edition, Checked: s.Checked, Next: s.Next, Failures: s.Failures, Error: s.Error}
		if err != nil {
			r.Error = err.Error()
		}
		records[maxmind.Config{Dir: c.Dir}.Path(s.Edition)] = &r
	}
	return records
}

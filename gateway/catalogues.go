package gateway

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"gate451/gateway/catalogue"
	"gate451/gateway/evidence"
	"gate451/rules"
)

// stocked is a policy with the catalogues that it names attached.
type stocked struct {
	base   *rules.Policy // without them
	policy *rules.Policy // nil if there is none
	files  []catalogue.Info
	text   []byte // what the policy was read from
}

// stock reads the catalogues that a policy names, from this replica's own files, and attaches them. All are read, so that all
// that is wrong is told at once.
func (s *policySource) stock(base *rules.Policy) (stocked, error) {
	undecided, names := s.decides(base), base.Catalogues()
	if len(names) == 0 {
		return stocked{base: base, policy: base}, undecided
	}
	into := base.Catalogue()
	var files []catalogue.Info
	var errs []error
	for _, name := range names {
		info, err := catalogue.Load(name, filepath.Dir(s.file), into)
		files, errs = append(files, info), append(errs, err)
	}
	err := errors.Join(append(errs, undecided)...)
	if err != nil {
		return stocked{}, err
	}
	p, err := base.WithCatalogue(into)
	return stocked{base: base, policy: p, files: files}, err
}

// catalogueFiles returns the paths of the catalogues of the policies that decide, or would without the fleet's.
func (s *policySource) catalogueFiles() []string {
	s.loading.Lock()
	defer s.loading.Unlock()
	var paths []string
	for _, one := range []stocked{s.own, s.published} {
		if one.policy == nil {
			continue
		}
		for _, file := range one.policy.Attached() {
			if !slices.Contains(paths, file.Path) {
				paths = append(paths, file.Path)
			}
		}
	}
	return paths
}

// tellCatalogues tells what has changed with the catalogues in force. That a file has lost more than half of its ids is most
// probably an accident of whatever writes it; the new one counts all the same, because goods do get taken off the list, and
// the old one would know nothing of the new.
func (s *policySource) tellCatalogues(files []catalogue.Info) {
	var before []catalogue.Info
	if old := s.catalogues.Swap(&files); old != nil {
		before = *old
	}
	if s.renamed != nil && !slices.EqualFunc(before, files, func(a, b catalogue.Info) bool { return a.File == b.File }) {
		s.renamed()
	}
	for _, file := range files {
		var last catalogue.Info
		if i := slices.IndexFunc(before, func(other catalogue.Info) bool { return other.File == file.File }); i >= 0 {
			last = before[i]
		}
		if last.SHA256 == file.SHA256 {
			continue
		}
		if 2*file.IDs < last.IDs {
			s.log.Warn("a catalogue has lost more than half of its ids; see whether whatever writes it has written it whole",
				slog.String("file", file.File), slog.Int("ids", file.IDs), slog.Int("ids_before", last.IDs))
		}
		s.log.Info("catalogue in force", slog.String("file", file.File), slog.Int("goods", file.Goods), slog.Int("ids", file.IDs), slog.String("sha256", file.SHA256))
		s.note(catalogueEvent(file))
	}
}

func catalogueEvent(file catalogue.Info) evidence.Event {
	return evidence.CatalogueChanged{File: file.File, SHA256: file.SHA256, IDs: file.IDs}
}

// catalogueCollector shows the catalogues in force at the time of the scrape. Their names are the operator's.
type catalogueCollector struct{ policy *policySource }

var (
	catalogueIDs      = prometheus.NewDesc("gate451_catalogue_ids", "Different ids in a catalogue.", []string{"file"}, nil)
	catalogueModified = prometheus.NewDesc("gate451_catalogue_modified_timestamp_seconds", "When a catalogue was written.", []string{"file"}, nil)
)

// Describe implements prometheus.Collector.
func (c catalogueCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- catalogueIDs
	ch <- catalogueModified
}

// Collect implements prometheus.Collector.
func (c catalogueCollector) Collect(ch chan<- prometheus.Metric) {
	for _, file := range *c.policy.catalogues.Load() {
		ch <- prometheus.MustNewConstMetric(catalogueIDs, prometheus.GaugeValue, float64(file.IDs), file.File)
		ch <- prometheus.MustNewConstMetric(catalogueModified, prometheus.GaugeValue, float64(file.Modified.UnixNano())/1e9, file.File)
	}
}

package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gate451/config"
	"gate451/gateway/acme"
)

// authority reads what the configuration has an authority verified by.
func authority(cfg *config.Config) (*x509.CertPool, error) {
	roots, err := acme.Roots(cfg.TLS.ACME.CAFile)
	if err != nil {
		return nil, cfg.Problem(&cfg.TLS.ACME.CAFile, err.Error())
	}
	return roots, nil
}

// certify has an authority issue certificates for the hosts of the routes, if the configuration names one. The public socket
// is open by then, and the gateway has joined its fleet.
func (g *Gateway) certify() error {
	c := &g.cfg.TLS.ACME
	if !c.On() {
		return nil
	}
	var hosts []string
	for i := range g.cfg.Routes {
		hosts = append(hosts, g.cfg.Routes[i].Hosts...)
	}
	opts := acme.Options{Logger: g.log}
	if g.fleet != nil {
		opts.Store = g.fleet.Vault("acme")
	}
	var err error
	if g.issued, err = acme.New(acme.Config{
		Hosts: hosts, Email: c.Email, DirectoryURL: c.DirectoryURL.String(), Roots: g.roots, Dir: c.Dir, Secret: string(c.Secret), Listen: g.public.Addr(),
	}, opts); err != nil {
		return g.cfg.Problem(c, err.Error())
	}
	g.registry.MustRegister(certificateCollector{g.issued})
	return nil
}

// tlsConfig is what the public listener speaks; nil for plain HTTP.
func (g *Gateway) tlsConfig() *tls.Config {
	switch {
	case g.certs != nil:
		return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: g.certs.get}
	case g.issued != nil:
		return g.issued.TLS()
	}
	return nil
}

// uncertified returns a host that buyers cannot reach, because its certificate is still to be issued or has expired.
func (g *Gateway) uncertified() (host string, missing bool) {
	if g.issued == nil {
		return "", false
	}
	return g.issued.Missing(time.Now())
}

// certificateCollector shows when the certificates that an authority has issued expire.
type certificateCollector struct{ issued *acme.Manager }

var certificateExpires = prometheus.NewDesc("gate451_tls_certificate_expiry_timestamp_seconds",
	"When the certificate that was issued for a host expires; 0 if there is none.", []string{"host"}, nil)

// Describe implements prometheus.Collector.
func (c certificateCollector) Describe(ch chan<- *prometheus.Desc) { ch <- certificateExpires }

// Collect implements prometheus.Collector.
func (c certificateCollector) Collect(ch chan<- prometheus.Metric) {
	for _, cert := range c.issued.Certificates() {
		at := 0.0
		if !cert.NotAfter.IsZero() {
			at = float64(cert.NotAfter.Unix())
		}
		ch <- prometheus.MustNewConstMetric(certificateExpires, prometheus.GaugeValue, at, cert.Host)
	}
}

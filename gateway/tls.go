package gateway

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gate451/config"
)

// certificates holds the gateway's certificate and replaces it by a new version of its files, if that is good.
type certificates struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	loading sync.Mutex
	trouble complaint // guarded by loading
}

func loadCertificates(cfg *config.Config, log *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: cfg.TLS.CertFile, keyFile: cfg.TLS.KeyFile, log: log}
	if err := c.load(); err != nil {
		return nil, cfg.Problem(&cfg.TLS.CertFile, err.Error())
	}
	return c, nil
}

func (c *certificates) load() error {
	c.loading.Lock()
	defer c.loading.Unlock()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		err = fmt.Errorf("the certificate cannot be used: %w; give a PEM chain and the key that belongs to it", err)
		if c.current.Load() != nil && c.trouble.isNew(err) {
			c.log.Error("certificate not reloaded, the one in use stays", slog.Any("error", err))
		}
		return err
	}
	c.current.Store(&pair)
	if c.trouble.end() {
		c.log.Info("certificate reloaded")
	}
	return nil
}

// state returns when the certificate in use expires, and why a newer one could not be loaded; nothing if it could.
func (c *certificates) state() (expires time.Time, trouble string) {
	if leaf := c.current.Load().Leaf; leaf != nil {
		expires = leaf.NotAfter
	}
	c.loading.Lock()
	defer c.loading.Unlock()
	return expires, c.trouble.text
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

package maxmind

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"time"
)

// fetched is a database in a file of its own, as it came.
type fetched struct {
	archive, database string // SHA-256
	modified          time.Time
}

var checksum = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// checksumOf asks for the SHA-256 of the newest archive of an edition: the first word of a line, as sha256sum writes it.
func (u *Updater) checksumOf(ctx context.Context, edition string) (string, error) {
	answer, err := u.ask(ctx, http.MethodGet, u.permalink(edition, "tar.gz.sha256"), time.Time{})
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1024))
	if err != nil {
		return "", fmt.Errorf("the checksum did not arrive: %w", err)
	}
	word, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	if !checksum.MatchString(word) {
		return "", errors.New("the checksum is none; expected 64 hexadecimal digits")
	}
	return strings.ToLower(word), nil
}

// fetch downloads the archive of an edition and writes the database in it to a file. Nothing that the archive says but the
// bytes of that database is used: it goes where the caller says, whatever the archive calls it.
func (u *Updater) fetch(ctx context.Context, edition, to string) (f fetched, err error) {
	answer, err := u.ask(ctx, http.MethodGet, u.permalink(edition, "tar.gz"), time.Time{})
	if err != nil {
		return f, err
	}
	defer answer.Body.Close()
	f.modified = modified(answer)
	whole := &bounded{r: answer.Body, left: u.limits.archive, sum: sha256.New(), what: "the archive"}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return f, err
	}
	content := sha256.New()
	err = u.unpack(whole, edition, io.MultiWriter(file, content))
	if err == nil {
		_, err = io.Copy(io.Discard, whole) // the checksum is that of all that came
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return f, err
	}
	f.archive, f.database = hex.EncodeToString(whole.sum.Sum(nil)), hex.EncodeToString(content.Sum(nil))
	return f, nil
}

// modified is when an answer says that what it is about was published; zero if it does not.
func modified(answer *http.Response) time.Time {
	at, err := http.ParseTime(answer.Header.Get("Last-Modified"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// unpack finds the database in an archive and copies it.
func (u *Updater) unpack(archive io.Reader, edition string, to io.Writer) error {
	zipped, err := gzip.NewReader(archive)
	if err != nil {
		return fmt.Errorf("the archive is not gzip: %w", early(err))
	}
	files := tar.NewReader(&bounded{r: zipped, left: u.limits.database, what: "what is in the archive"})
	for range u.limits.entries {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the archive has no %s.mmdb", edition)
		}
		if err != nil {
			return fmt.Errorf("the archive cannot be read: %w", early(err))
		}
		if head.Typeflag == tar.TypeReg && path.Base(head.Name) == edition+".mmdb" {
			if _, err := io.Copy(to, files); err != nil {
				return fmt.Errorf("the database cannot be taken out of the archive: %w", early(err))
			}
			return nil
		}
	}
	return fmt.Errorf("the archive has more than %d files and none of them is %s.mmdb", u.limits.entries, edition)
}

// early says in words what io calls an unexpected EOF.
func early(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("it ended early")
	}
	return err
}

// bounded reads up to so many bytes, and keeps their checksum if there is one to keep. What has more is an error: a
// limit that looked like the end would make a bomb of an archive a short one.
type bounded struct {
	r    io.Reader
	left int64
	sum  hash.Hash
	what string
}

// Read fails once there is too much.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("%s is larger than any database", b.what)
	}
	if b.sum != nil {
		b.sum.Write(p[:n]) // a hash returns no error
	}
	return n, err
}

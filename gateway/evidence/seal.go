package evidence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// sealEvery is how often old segments are looked for in a log that begins no new ones.
const sealEvery = time.Hour

// sealAll compresses full segments and drops old ones, until the log is closed. None of that is on a request's way.
func (l *Log) sealAll() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	l.work.Go(func() {
		<-l.closing
		stop()
	})
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.sealing:
		case <-tick.C:
		}
		if err := errors.Join(l.sealFull(ctx), l.dropOld(ctx)); err != nil && ctx.Err() == nil {
			l.cfg.Logger.Error("old evidence cannot be compressed or dropped; it stays as it is", slog.Any("error", err))
		}
	}
}

// sealFull compresses every segment that another one follows.
func (l *Log) sealFull(ctx context.Context) error {
	var errs []error
	list := l.places.list()
	for i, s := range list[:max(0, len(list)-1)] {
		if _, err := os.Lstat(segmentPath(l.cfg.Dir, s.first, plainSuffix)); s.gone || errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := l.seal(ctx, s.first, list[i+1].first); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", segmentPath(l.cfg.Dir, s.first, plainSuffix), err))
		}
	}
	return errors.Join(errs...)
}

// seal replaces a segment by its compressed form. At every moment one of both is there as a whole.
func (l *Log) seal(ctx context.Context, first, next int64) error {
	if err := settleLeaves(l.cfg.Dir, first, next); err != nil {
		return err
	}
	plain, packed := segmentPath(l.cfg.Dir, first, plainSuffix), segmentPath(l.cfg.Dir, first, packedSuffix)
	src, err := os.Open(plain)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(packed+temporarySuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := putInPlace(dst, pack(ctx, dst, src), packed); err != nil {
		return err
	}
	return os.Remove(plain)
}

// settleLeaves sees to it that a segment's leaf hashes are those of its lines and durable. A segment whose lines are not
// what the next one goes on from stays as it is, for Verify to say what is wrong.
func settleLeaves(dir string, first, next int64) error {
	t, err := frontierOf(dir, first)
	if err != nil {
		return err
	}
	want, err := frontierOf(dir, next)
	if err != nil {
		return err
	}
	h := hashReader{dir: dir, segments: []segmentName{{first: first}}, size: next}
	stored := t.clone()
	if at, err := h.stored(h.segments[0], first, next, stored.add); err == nil && at == next && stored.equal(&want) {
		return syncFile(segmentPath(dir, first, leavesSuffix))
	}
	r, err := openSegment(dir, first)
	if err != nil {
		return err
	}
	defer r.close()
	made := tail{}
	for {
		_, leaf, ok := r.next()
		if !ok {
			break
		}
		made.leaves = append(made.leaves, leaf)
		t.add(leaf)
	}
	if err := r.failure(); err != nil {
		return err
	}
	if !t.equal(&want) {
		return errors.New("the lines are not those that the next segment goes on from; verify the log")
	}
	return writeLeaves(dir, first, made.leaves)
}

// frontierOf returns the tree of all lines before a segment, as the segment says.
func frontierOf(dir string, first int64) (tree, error) {
	r, err := openSegment(dir, first)
	if err != nil {
		return tree{}, err
	}
	defer r.close()
	line, _, _ := r.next()
	h, _, err := parseHeader(line, first)
	if err != nil {
		return tree{}, fmt.Errorf("%s:1: %w", r.path, err)
	}
	t := h.frontier()
	return t.clone(), nil
}

// begunOf returns when a segment was begun.
func begunOf(dir string, first int64) (time.Time, error) {
	r, err := openSegment(dir, first)
	if err != nil {
		return time.Time{}, err
	}
	defer r.close()
	line, _, _ := r.next()
	_, begun, err := parseHeader(line, first)
	return begun, err
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// dropOld removes the lines of segments that are older than the operator wants, and keeps their leaf hashes. The log says
// so first, so that Verify can tell it from segments that somebody else removed.
func (l *Log) dropOld(ctx context.Context) error {
	if l.cfg.Retention <= 0 {
		return nil
	}
	list := l.places.list()
	until, err := l.oldUntil(list)
	if err != nil || until == 0 {
		return err
	}
	for i, s := range list[:len(list)-1] {
		if s.gone || s.first >= until {
			continue
		}
		if err := settleLeaves(l.cfg.Dir, s.first, list[i+1].first); err != nil {
			return fmt.Errorf("%s: %w", segmentPath(l.cfg.Dir, s.first, plainSuffix), err)
		}
	}
	line, err := appendLine([]byte{0}, droppedLine{kindWords[kindDropped], l.cfg.Now().UTC().Format(stamp), until})
	if err != nil {
		return err
	}
	g, err := l.enqueue(line[1:], leafOf(line[:len(line)-1]), 0)
	if err != nil {
		return err
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if g.err != nil {
		return g.err
	}
	l.places.drop(until)
	return l.remove(list, until)
}

// oldUntil returns the index before which all lines are old enough to be dropped; 0 means that none are.
func (l *Log) oldUntil(list []place) (int64, error) {
	limit := l.cfg.Now().Add(-l.cfg.Retention)
	until := int64(0)
	for i, s := range list {
		if i == 0 || list[i-1].gone {
			continue // a segment is as old as the next one, which has begun when it ended
		}
		if s.begun.IsZero() {
			begun, err := begunOf(l.cfg.Dir, s.first)
			if err != nil {
				return until, err
			}
			s.begun = begun
		}
		if !s.begun.Before(limit) {
			break
		}
		until = s.first
	}
	return until, nil
}

func (l *Log) remove(list []place, until int64) error {
	var errs []error
	for _, s := range list {
		if s.gone || s.first >= until {
			continue
		}
		for _, suffix := range []string{plainSuffix, packedSuffix} {
			if err := os.Remove(segmentPath(l.cfg.Dir, s.first, suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(append(errs, syncFolder(l.cfg.Dir))...)
}

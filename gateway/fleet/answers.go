package fleet

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// errNotOurs is what is wrong with an answer that no script of ours gives.
var errNotOurs = errors.New("not an answer of the script; is this Redis?")

// atKey says which key an answer is about, and what would be right if it is of the wrong type.
func (f *Fleet) atKey(key string, err error) error {
	switch reply, ok := errors.AsType[redis.Error](err); {
	case !ok || unanswered(err):
		return err
	case strings.Contains(reply.Error(), "WRONGTYPE"):
		return fmt.Errorf("key %s: %w; it is somebody else's: delete it, or choose another key prefix", key, err)
	case strings.Contains(reply.Error(), "OOM "):
		return fmt.Errorf("key %s: %w; give Redis more memory", key, err)
	default:
		return fmt.Errorf("key %s: %w", key, err)
	}
}

// texts reads an answer that consists of strings and whole numbers.
func texts(answer []any) ([]string, error) {
	values := make([]string, len(answer))
	for i, v := range answer {
		switch v := v.(type) {
		case string:
			values[i] = v
		case int64:
			values[i] = strconv.FormatInt(v, 10)
		default:
			return nil, fmt.Errorf("value %d is a %T", i, v)
		}
	}
	return values, nil
}

// redisTime reads the seconds and microseconds with which an answer begins.
func redisTime(values []string) (time.Time, error) {
	s, err1 := strconv.ParseInt(values[0], 10, 64)
	us, err2 := strconv.ParseInt(values[1], 10, 64)
	return time.Unix(s, us*1000).UTC(), errors.Join(err1, err2)
}

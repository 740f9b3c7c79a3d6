package postmortem

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	fetches  = 4           // logs that are read at a time
	savePace = time.Second // between two saves at least
)

// Run reads logs and has deaths saved until the context ends. What has not been read by
// then is left.
func (c *Collector) Run(ctx context.Context) error {
	var readers sync.WaitGroup
	for range fetches {
		readers.Go(func() { c.read(ctx) })
	}
	c.save(ctx)
	readers.Wait()
	c.leave()
	return nil
}

// read reads one log after the other.
func (c *Collector) read(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-c.queue:
			c.mu.Lock()
			end := j.end
			c.mu.Unlock()
			lines, err := c.Logs(ctx, j.c, end, c.Lines)
			if ctx.Err() != nil {
				return
			}
			c.mu.Lock()
			j.read, j.upTo, j.lines, j.err = true, end, lines, err
			c.settle(j)
			c.mu.Unlock()
		}
	}
}

// save has deaths saved as they come.
func (c *Collector) save(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-c.added:
			c.saveAll()
		}
		select {
		case <-ctx.Done():
		case <-time.After(savePace):
		}
	}
}

func (c *Collector) saveAll() {
	if c.Save != nil {
		all, _ := c.All()
		c.Save(all)
	}
}

// leave completes what is known without the logs that have not been read, and saves that.
func (c *Collector) leave() {
	c.mu.Lock()
	for _, j := range c.jobs {
		if j.acting = false; !j.read {
			j.read, j.lines, j.err = true, nil, errors.New("not read before Defib ended")
		}
		c.settle(j)
	}
	c.mu.Unlock()
	select {
	case <-c.added:
		c.saveAll()
	default:
	}
}

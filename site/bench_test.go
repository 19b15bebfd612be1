package site

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"keepwatch/site/guard"
)

// BenchmarkCachedPicture asks over loopback for a picture that is in the cache,
// signed in, on kept-alive connections.
func BenchmarkCachedPicture(b *testing.B) {
	s := setup(b, func(c *Config) {
		c.Limits.Images = guard.Rate{Events: 1_000_000, Per: time.Second, Burst: 1_000_000} // counted, never reached
	})
	srv := httptest.NewServer(s.handler)
	defer srv.Close()
	client := srv.Client()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	ask := func() (int, int64) {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, srv.URL+"/img/640/1.jpg", nil)
		if err != nil {
			b.Error(err)
			return 0, 0
		}
		req.Header.Set("Cookie", "token="+readSecret)
		resp, err := client.Do(req)
		if err != nil {
			b.Error(err)
			return 0, 0
		}
		defer resp.Body.Close()
		n, _ := io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, n
	}
	_, size := ask()
	b.SetBytes(size)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if status, _ := ask(); status != http.StatusOK {
				b.Errorf("status %d", status)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

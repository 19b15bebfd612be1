package main

// rows are the rows of the table of performance goals that exist by now. A row
// with Base is a ratio of two benchmarks of one run.
func rows() []row {
	const whole1, whole5 = "BenchmarkWholeStore/1000", "BenchmarkWholeStore/5000"
	const floodIn, floodOut = "BenchmarkWholeFlood/signed-in", "BenchmarkWholeFlood/strangers"
	const courseOnly, courseBots = "BenchmarkWholeCourse/visitors", "BenchmarkWholeCourse/bots"
	once := "1x"
	return []row{
		{What: "engine CPU a probe, no database", Pkg: "probe", Bench: "BenchmarkEngineCPU", Unit: "ratio", Goal: 1.3, Note: "bare loop, same requests", Time: "3x"},
		{What: "CPU with results in Postgres, 1,000 checks", Pkg: "bench", Bench: whole1, Unit: "ratio-cpu", Goal: 1.25, Note: "bare loop alone", Time: once},
		{What: "Postgres CPU s per 1,000 results, 1,000 checks", Pkg: "bench", Bench: whole1, Unit: "postgres-cpu-s/1000", Goal: 0.1, Note: "absolute", Time: once},
		{What: "slots run, 1,000 checks at 10 s", Pkg: "bench", Bench: whole1, Unit: "slots-%", Goal: 99.9, More: true, Note: "slots asked for", Time: once},
		{What: "p99 start lag, 1,000 checks", Pkg: "bench", Bench: whole1, Unit: "p99-lag-ms", Goal: 10, Note: "plan", Time: once},
		{What: "busiest 100 ms, 1,000 checks", Pkg: "bench", Bench: whole1, Unit: "busiest-100ms/mean", Goal: 1.3, Note: "mean", Time: once},
		{What: "CPU with results in Postgres, 5,000 checks", Pkg: "bench", Bench: whole5, Unit: "ratio-cpu", Goal: 1.25, Note: "bare loop alone", Time: once},
		{What: "Postgres CPU s per 1,000 results, 5,000 checks", Pkg: "bench", Bench: whole5, Unit: "postgres-cpu-s/1000", Goal: 0.1, Note: "absolute", Time: once},
		{What: "slots run, 5,000 checks at 10 s", Pkg: "bench", Bench: whole5, Unit: "slots-%", Goal: 99.9, More: true, Note: "slots asked for", Time: once},
		{What: "results lost, 5,000 checks", Pkg: "bench", Bench: whole5, Unit: "lost", Goal: 0, Note: "results", Time: once},
		{What: "p99 start lag, 5,000 checks", Pkg: "bench", Bench: whole5, Unit: "p99-lag-ms", Goal: 10, Note: "plan", Time: once},
		{What: "busiest 100 ms, 5,000 checks", Pkg: "bench", Bench: whole5, Unit: "busiest-100ms/mean", Goal: 1.3, Note: "mean", Time: once},
		{What: "RSS, 5,000 checks (test binary, MiB)", Pkg: "bench", Bench: whole5, Unit: "rss-MiB", Goal: 80, Note: "absolute", Time: once},
		{What: "probe rate while the pager takes 5 s, 1,000 failing", Pkg: "bench", Bench: "BenchmarkWholeSlowPager", Unit: "rate-%", Goal: 99, More: true, Note: "slots asked for", Time: once},
		{What: "first page while the pager takes 5 s", Pkg: "bench", Bench: "BenchmarkWholeSlowPager", Unit: "first-page-ms", Goal: 1000, Note: "confirming look", Time: once},
		{What: "decided -> request leaves, p50", Pkg: "bench", Bench: "BenchmarkWholeDecide", Unit: "p50-ms", Goal: 20, Note: "confirming look, Postgres up, fsync off", Time: once},
		{What: "decided -> request leaves, p99", Pkg: "bench", Bench: "BenchmarkWholeDecide", Unit: "p99-ms", Goal: 250, Note: "confirming look, Postgres up, fsync off", Time: once},
		{What: "results insert, rows/s", Pkg: "postgres", Bench: "BenchmarkInsert", Base: "BenchmarkCopy", Unit: "rows/s", Goal: 0.25, More: true, Note: "COPY without an index"},
		{What: "journal append, results/s", Pkg: "spool", Bench: "BenchmarkJournalAppend", Unit: "results/s", Goal: 200_000, More: true, Note: "absolute"},
		{What: "oncall who, ns", Pkg: "oncall", Bench: "BenchmarkAt", Unit: "ns/op", Goal: 1e6, Note: "1 ms"},
		{What: "90 days of 20 rotations, ns", Pkg: "oncall", Bench: "BenchmarkWalk90Days", Unit: "ns/op", Goal: 200e6, Note: "200 ms"},
		{What: "report of 1,000 services, of spans in memory, ns", Pkg: "reports", Bench: "BenchmarkBuildFromSpans", Unit: "ns/op", Goal: 50e6, Note: "50 ms"},
		{What: "week of 1,000 checks read from spans in Postgres, ns", Pkg: "postgres", Bench: "BenchmarkWeekFromSpans", Unit: "ns/op", Goal: 50e6, Note: "50 ms"},
		{What: "frozen facts of a week, 1,000 services, ns", Pkg: "postgres", Bench: "BenchmarkFrozenFacts/1_week", Unit: "ns/op", Goal: 5e6, Note: "5 ms"},
		{What: "trend of 52 weeks, 1,000 services, ns", Pkg: "postgres", Bench: "BenchmarkFrozenFacts/52_weeks", Unit: "ns/op", Goal: 100e6, Note: "100 ms"},
		{What: "cold render of 12 MP to 1440", Pkg: "site/render", Bench: "BenchmarkRender/planar/1440", Base: "BenchmarkRender/ximage/1440", Unit: "ns/op", Goal: 0.55, Note: "std + x/image CatmullRom"},
		{What: "cold render of 12 MP to 640", Pkg: "site/render", Bench: "BenchmarkRender/planar/640", Base: "BenchmarkRender/ximage/640", Unit: "ns/op", Goal: 0.55, Note: "std + x/image CatmullRom"},
		{What: "its likeness to the picture (SSIM) at 1440", Pkg: "site/render", Bench: "BenchmarkRender/planar/1440", Base: "BenchmarkRender/ximage/1440", Unit: "ssim", Goal: 1, More: true, Note: "std + x/image CatmullRom"},
		{What: "its likeness to the picture (SSIM) at 640", Pkg: "site/render", Bench: "BenchmarkRender/planar/640", Base: "BenchmarkRender/ximage/640", Unit: "ssim", Goal: 1, More: true, Note: "std + x/image CatmullRom"},
		{What: "render to 640 from the 1920 px master, ns", Pkg: "site/render", Bench: "BenchmarkRender/master/640", Unit: "ns/op", Goal: 75e6, Note: "75 ms"},
		{What: "peak RSS of one 12 MP render, MiB", Pkg: "site/render", Bench: "BenchmarkRenderMemory", Unit: "rss-MiB", Goal: 96, Note: "absolute", Time: "3x"},
		{What: "cached 100 KB picture, all guards on, req/s", Pkg: "bench", Bench: "BenchmarkWholeCached/100KB", Unit: "ratio", Goal: 0.6, More: true, Note: "nginx, the same file", Time: once},
		{What: "cached 18 KB thumbnail, all guards on, req/s", Pkg: "bench", Bench: "BenchmarkWholeCached/18KB", Unit: "ratio", Goal: 0.4, More: true, Note: "nginx, the same file", Time: once},
		{What: "cached req/s while 200 signed-in ask for uncached", Pkg: "bench", Bench: floodIn, Unit: "cached-req/s", Goal: 2000, More: true, Note: "absolute, 2 processors", Time: once},
		{What: "p99 of cached, the same, ms", Pkg: "bench", Bench: floodIn, Unit: "p99-ms", Goal: 100, Note: "absolute", Time: once},
		{What: "RSS of the site, the same, MiB", Pkg: "bench", Bench: floodIn, Unit: "rss-MiB", Goal: 150, Note: "absolute", Time: once},
		{What: "cached req/s while 200 strangers ask", Pkg: "bench", Bench: floodOut, Unit: "cached-req/s", Goal: 2000, More: true, Note: "absolute, 2 processors", Time: once},
		{What: "p99 of cached, the same, ms", Pkg: "bench", Bench: floodOut, Unit: "p99-ms", Goal: 100, Note: "absolute", Time: once},
		{What: "course, 1,000 visitors, a minute: failed", Pkg: "bench", Bench: courseOnly, Unit: "failed", Goal: 0, Note: "requests of 10,000", Time: once},
		{What: "course, p99, ms", Pkg: "bench", Bench: courseOnly, Unit: "p99-ms", Goal: 100, Note: "absolute", Time: once},
		{What: "course with ten times as many bots: answered, %", Pkg: "bench", Bench: courseBots, Unit: "good-%", Goal: 99.9, More: true, Note: "visitors' requests", Time: once},
		{What: "course with bots, p99, ms", Pkg: "bench", Bench: courseBots, Unit: "p99-ms", Goal: 250, Note: "absolute", Time: once},
		{What: "start to probing and serving, warm database, ms", Pkg: "bench", Bench: "BenchmarkWholeStart", Unit: "warm-ms", Goal: 1000, Note: "absolute", Time: once},
		{What: "start to probing and serving, cold (initdb), ms", Pkg: "bench", Bench: "BenchmarkWholeStart", Unit: "cold-ms", Goal: 3000, Note: "absolute", Time: once},
	}
}

package fakepd

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRESTFindsByKey(t *testing.T) {
	t.Parallel()
	for _, hide := range []bool{false, true} {
		s := team(Options{HideIncidentKey: hide})
		send(t, s, trigger, "kw-1")
		send(t, s, trigger, "kw-2")
		send(t, s, resolve, "kw-2")
		_, body, _ := rest(t, s, "GET", "/incidents?incident_key=kw-1&date_range=all", "")
		got := incidents(t, body["incidents"])
		if len(got) != 1 || got[0].Type != "incident" || got[0].Status != triggered || got[0].Assignments[0].Assignee.ID != "PADA001" {
			t.Fatalf("by key: %+v", got)
		}
		if (got[0].IncidentKey == nil) != hide {
			t.Errorf("incident_key is %v, hide %v", got[0].IncidentKey, hide)
		}
		_, body, _ = rest(t, s, "GET", "/incidents/"+got[0].ID+"/alerts", "")
		if !strings.Contains(string(body["alerts"]), `"alert_key":"kw-1"`) {
			t.Errorf("alerts: %s", body["alerts"])
		}
		for query, want := range map[string]int{
			"statuses[]=resolved": 1, "statuses[]=triggered&statuses[]=acknowledged": 1, "": 2, "service_ids[]=PFAKE01": 2, "service_ids[]=POTHER": 0,
			"user_ids[]=PADA001": 2, "limit=1": 1, "offset=1": 1, "since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z": 0,
		} {
			_, body, _ = rest(t, s, "GET", "/incidents?"+query, "")
			if got := len(incidents(t, body["incidents"])); got != want {
				t.Errorf("%s: %d incidents, want %d", query, got, want)
			}
			if more := string(body["more"]); (more == "true") != (query == "limit=1") {
				t.Errorf("%s: more is %s", query, more)
			}
		}
		for _, query := range []string{"statuses[]=open", "date_range=today", "since=yesterday", "limit=x", "offset=9990", "since=2020-01-01T00:00:00Z"} {
			if status, _, _ := rest(t, s, "GET", "/incidents?"+query, ""); status != 400 {
				t.Errorf("%s: %d, want 400", query, status)
			}
		}
		s.Close()
	}
}

func TestRESTRefusals(t *testing.T) {
	t.Parallel()
	s := team(Options{Tokens: []string{"t0ken"}})
	defer s.Close()
	send(t, s, trigger, "kw-1")
	_, body, _ := rest(t, s, "GET", "/incidents", "")
	id := incidents(t, body["incidents"])[0].ID
	ada := []string{"From", "ada@example.com"}
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		want                     int
	}{
		{"no token", "GET", "/incidents", "", []string{"Authorization", ""}, 401},
		{"wrong token", "GET", "/incidents", "", []string{"Authorization", "Token token=other"}, 401},
		{"no such incident", "GET", "/incidents/QX", "", nil, 404},
		{"no such policy", "GET", "/escalation_policies/PX", "", nil, 404},
		{"no From", "PUT", "/incidents", `{"incidents":[{"id":"` + id + `","type":"incident","status":"acknowledged"}]}`, nil, 400},
		{"From nobody", "PUT", "/incidents", `{"incidents":[{"id":"` + id + `","type":"incident","status":"acknowledged"}]}`, []string{"From", "x@example.com"}, 400},
		{"no list", "PUT", "/incidents", `{}`, ada, 400},
		{"odd status", "PUT", "/incidents", `{"incidents":[{"id":"` + id + `","type":"incident","status":"open"}]}`, ada, 400},
		{"no type", "PUT", "/incidents", `{"incidents":[{"id":"` + id + `","status":"resolved"}]}`, ada, 400},
		{"no JSON", "PUT", "/incidents", `{`, ada, 400},
		{"policy without rules", "PUT", "/escalation_policies/PESC001", `{"escalation_policy":{"type":"escalation_policy","name":"x","escalation_rules":[]}}`, nil, 400},
		{"policy with a plain id", "PUT", "/escalation_policies/PESC001", `{"escalation_policy":{"type":"escalation_policy","name":"x","escalation_rules":[{"escalation_delay_in_minutes":5,"targets":[{"id":"PADA001"}]}]}}`, nil, 400},
		{"policy with a stranger", "PUT", "/escalation_policies/PESC001", `{"escalation_policy":{"type":"escalation_policy","name":"x","escalation_rules":[{"escalation_delay_in_minutes":5,"targets":[{"id":"PX","type":"user_reference"}]}]}}`, nil, 400},
		{"policy without a delay", "PUT", "/escalation_policies/PESC001", `{"escalation_policy":{"type":"escalation_policy","name":"x","escalation_rules":[{"escalation_delay_in_minutes":0,"targets":[{"id":"PADA001","type":"user_reference"}]}]}}`, nil, 400},
		{"note without a text", "POST", "/incidents/" + id + "/notes", `{"note":{}}`, ada, 400},
		{"snooze without a time", "POST", "/incidents/" + id + "/snooze", `{}`, ada, 400},
		{"incident without a service", "POST", "/incidents", `{"incident":{"type":"incident","title":"x"}}`, ada, 400},
		{"incident with details that are no text", "POST", "/incidents", `{"incident":{"type":"incident","title":"x","service":{"id":"PFAKE01","type":"service_reference"},"body":{"type":"incident_body","details":{}}}}`, ada, 400},
		{"two assignees", "POST", "/incidents", `{"incident":{"type":"incident","title":"x","service":{"id":"PFAKE01","type":"service_reference"},"assignments":[{"assignee":{"id":"PADA001","type":"user_reference"}},{"assignee":{"id":"PGRACE1","type":"user_reference"}}]}}`, ada, 400},
	} {
		status, body, _ := rest(t, s, tt.method, tt.path, tt.body, tt.headers...)
		if status != tt.want || body["error"] == nil {
			t.Errorf("%s: %d %s, want %d", tt.name, status, body, tt.want)
		}
	}
	if st := s.State().Incidents; len(st) != 1 || st[0].Status != triggered {
		t.Errorf("a refusal changed something: %+v", st)
	}
	if p := s.Account().Policies[0]; p.Name != "On call" || len(p.Rules) != 2 {
		t.Errorf("a refusal changed the policy: %+v", p)
	}
}

func TestRESTManualIncident(t *testing.T) {
	t.Parallel()
	s := team(Options{})
	defer s.Close()
	page := func(from, assignee, key string) (int, map[string]json.RawMessage) {
		status, body, _ := rest(t, s, "POST", "/incidents", `{"incident":{"type":"incident","title":"please look","priority":null,"service":{"id":"PFAKE01","type":"service_reference"},
			"incident_key":"`+key+`","assignments":[{"assignee":{"id":"`+assignee+`","type":"user_reference"}}]}}`, "From", from)
		return status, body
	}
	one := func(raw json.RawMessage) (out shown) {
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	status, body := page("keepwatch@example.com", "PGRACE1", "page-1")
	if got := one(body["incident"]); status != 201 || got.Status != triggered || got.Assignments[0].Assignee.ID != "PGRACE1" {
		t.Errorf("a page by hand: %d %+v", status, got)
	}
	if status, body := page("keepwatch@example.com", "PGRACE1", "page-1"); status != 400 || !strings.Contains(string(body["error"]), "already exists") {
		t.Errorf("the same key: %d %s", status, body["error"])
	}
	status, body = page("ada@example.com", "PADA001", "page-2")
	if got := one(body["incident"]); status != 201 || got.Status != acknowledged {
		t.Errorf("a page to oneself: %d %+v, want it acknowledged", status, got)
	}
	if got := rang(s.State().Incidents[1]); len(got) != 0 {
		t.Errorf("a page to oneself rang %v", got)
	}
}

func TestEscalation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := team(Options{})
		defer s.Close()
		if err := s.Change(func(a *Account) { a.Policies[0].Loops = 1 }); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"left", "acked", "gone"} {
			send(t, s, trigger, key)
		}
		time.Sleep(9 * time.Minute)
		call(t, s, http.MethodPost, "/_ack?dedup_key=acked&by=ada@example.com", "")
		time.Sleep(2 * time.Minute)
		send(t, s, resolve, "gone")
		time.Sleep(time.Hour)
		st := s.State().Incidents
		for i, want := range [][]string{{"PADA001", "PGRACE1", "PADA001", "PGRACE1"}, {"PADA001"}, {"PADA001", "PGRACE1"}} {
			if got := rang(st[i]); !slices.Equal(got, want) {
				t.Errorf("%s rang %v, want %v", st[i].DedupKey, got, want)
			}
		}
		if st[1].AcknowledgedBy != "ada@example.com" || st[0].Records[len(st[0].Records)-1].Type != recExhaust {
			t.Errorf("left: %+v\nacked: %+v", st[0], st[1])
		}
	})
}

func TestEscalationByREST(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := team(Options{Minute: time.Second})
		defer s.Close()
		send(t, s, trigger, "a")
		id := s.State().Incidents[0].ID
		from := []string{"From", "ada@example.com"}
		if status, body, _ := rest(t, s, "PUT", "/incidents", `{"incidents":[{"id":"`+id+`","type":"incident","status":"acknowledged"}]}`, from...); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		if status, body, _ := rest(t, s, "POST", "/incidents/"+id+"/snooze", `{"duration":60}`, from...); status != 201 {
			t.Fatalf("%d %s", status, body)
		}
		time.Sleep(59 * time.Second)
		if got := s.State().Incidents[0]; got.Status != acknowledged || got.AcknowledgedBy != "Ada" {
			t.Errorf("snoozed: %+v", got)
		}
		time.Sleep(12 * time.Second)
		if got := rang(s.State().Incidents[0]); !slices.Equal(got, []string{"PADA001", "PADA001", "PGRACE1"}) {
			t.Errorf("after the snooze rang %v", got)
		}
		rest(t, s, "PUT", "/incidents/"+id, `{"incident":{"type":"incident","assignments":[{"assignee":{"id":"PALAN01","type":"user_reference"}}]}}`, from...)
		time.Sleep(time.Hour)
		got := s.State().Incidents[0]
		if r := rang(got); !slices.Equal(r, []string{"PADA001", "PADA001", "PGRACE1", "PALAN01"}) || !slices.Equal(got.Assignees, []string{"PALAN01"}) {
			t.Errorf("after a reassignment rang %v, assigned %v", r, got.Assignees)
		}
		rest(t, s, "POST", "/incidents/"+id+"/notes", `{"note":{"content":"looking","user":{}}}`, from...)
		rest(t, s, "PUT", "/incidents", `{"incidents":[{"id":"`+id+`","type":"incident_reference","status":"resolved"}]}`, from...)
		_, body, _ := rest(t, s, "GET", "/incidents/"+id+"/log_entries?limit=100", "")
		for _, kind := range []string{recTrigger, recNotify, recAck, recSnooze, recUnack, recEscalate, recAssign, recAnnotate, recResolve} {
			if !strings.Contains(string(body["log_entries"]), `"type":"`+kind+`"`) {
				t.Errorf("no %s in %s", kind, body["log_entries"])
			}
		}
		if sum, err := verify(t, s); err != nil || sum.Incidents != 1 {
			t.Errorf("verify: %+v %v", sum, err)
		}
	})
}

// What PagerDuty accepts and then drops: nobody is rung, and no incident exists.
func TestSilentDrops(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(a *Account){
		"maintenance":       func(a *Account) { a.Services[0].Maintenance = true },
		"suppressed":        func(a *Account) { a.Services[0].Suppress = true },
		"nobody is on call": func(a *Account) { a.Policies[0].Rules[0].Users, a.Policies[0].Rules[1].Users = nil, nil },
		"no policy":         func(a *Account) { a.Policies = nil },
	} {
		s := team(Options{})
		if err := s.Change(edit); err != nil {
			t.Fatal(err)
		}
		if got := send(t, s, trigger, "a"); got.Status != 202 || len(s.State().Incidents) != 0 {
			t.Errorf("%s: %+v, %+v", name, got, s.State().Incidents)
		}
		if got := dids(t, s); got[0] != didSuppress {
			t.Errorf("%s: %v", name, got)
		}
		s.Close()
	}
	t.Run("the first level is empty", func(t *testing.T) {
		t.Parallel()
		s := team(Options{})
		defer s.Close()
		if err := s.Change(func(a *Account) { a.Policies[0].Rules[0].Users = nil }); err != nil {
			t.Fatal(err)
		}
		send(t, s, trigger, "a")
		if got := rang(s.State().Incidents[0]); !slices.Equal(got, []string{"PGRACE1"}) {
			t.Errorf("rang %v", got)
		}
	})
	t.Run("assigned to nobody", func(t *testing.T) {
		t.Parallel()
		s := team(Options{})
		defer s.Close()
		if err := s.Change(func(a *Account) { a.Services[0].Unassigned = true }); err != nil {
			t.Fatal(err)
		}
		send(t, s, trigger, "a")
		_, body, _ := rest(t, s, "GET", "/incidents", "")
		if got := incidents(t, body["incidents"]); len(got) != 1 || len(got[0].Assignments) != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestPolicySync(t *testing.T) {
	t.Parallel()
	s := team(Options{})
	defer s.Close()
	const put = `{"escalation_policy":{"id":"PESC001","type":"escalation_policy","name":"Keepwatch","num_loops":2,"teams":null,"escalation_rules":[
		{"escalation_delay_in_minutes":5,"targets":[{"id":"PALAN01","type":"user_reference"}]},
		{"escalation_delay_in_minutes":7,"targets":[{"id":"PADA001","type":"user_reference"}]}]}}`
	if status, body, _ := rest(t, s, "PUT", "/escalation_policies/PESC001", put); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	_, body, _ := rest(t, s, "GET", "/oncalls?escalation_policy_ids[]=PESC001", "")
	var on []struct {
		Level int `json:"escalation_level"`
		User  struct{ ID string }
	}
	if err := json.Unmarshal(body["oncalls"], &on); err != nil || len(on) != 2 || on[0].User.ID != "PALAN01" || on[1].Level != 2 {
		t.Errorf("on call %+v, %v", on, err)
	}
	send(t, s, trigger, "a")
	if got := rang(s.State().Incidents[0]); !slices.Equal(got, []string{"PALAN01"}) {
		t.Errorf("rang %v", got)
	}
	for path, want := range map[string]string{
		"/users?query=GRACE@": `"id":"PGRACE1"`, "/users/PADA001/contact_methods": `"address":"ada@example.com"`, "/services/PFAKE01": `"status":"critical"`,
		"/escalation_policies?query=keep": `"num_loops":2`, "/abilities": "teams",
	} {
		status, body, _ := rest(t, s, "GET", path, "")
		if raw, _ := json.Marshal(body); status != 200 || !strings.Contains(string(raw), want) {
			t.Errorf("%s: %d %s", path, status, raw)
		}
	}
	send(t, s, resolve, "a")
	if _, err := verify(t, s); err != nil {
		t.Errorf("verify: %v", err)
	}
}

func TestRESTRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := team(Options{RESTPerMinute: 2})
		defer s.Close()
		for i, want := range []int{200, 200, 429} {
			status, _, h := rest(t, s, "GET", "/users", "")
			if status != want || h.Get("Ratelimit-Limit") != "2" || h.Get("Ratelimit-Remaining") != []string{"1", "0", "0"}[i] {
				t.Errorf("call %d: %d %v", i, status, h)
			}
			time.Sleep(time.Second)
		}
		_, _, h := rest(t, s, "GET", "/users", "")
		if got := h.Get("Ratelimit-Reset"); got != "57" {
			t.Errorf("reset in %s, want 57", got)
		}
		time.Sleep(57 * time.Second)
		if status, _, _ := rest(t, s, "GET", "/users", ""); status != 200 {
			t.Errorf("after a minute: %d", status)
		}
	})
}

func TestSubscription(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := hooked(400, 400, 400)
		defer s.Close()
		for _, key := range []string{"a", "b", "c"} {
			send(t, s, trigger, key)
		}
		synctest.Wait()
		_, body, _ := rest(t, s, "GET", "/webhook_subscriptions", "")
		if !strings.Contains(string(body["webhook_subscriptions"]), `"temporarily_disabled":true`) {
			t.Errorf("after three drops: %s", body)
		}
		if status, _, _ := rest(t, s, "POST", "/webhook_subscriptions/PFAKEHOOK/enable", ""); status != 200 {
			t.Errorf("enable: %d", status)
		}
		send(t, s, resolve, "a")
		synctest.Wait()
		if got := r.types(); len(got) != 4 {
			t.Errorf("webhooks %v", got)
		}
		rest(t, s, "PUT", "/webhook_subscriptions/PFAKEHOOK", `{"webhook_subscription":{"active":false}}`)
		send(t, s, resolve, "b")
		synctest.Wait()
		if got := r.types(); len(got) != 4 {
			t.Errorf("inactive, and webhooks %v", got)
		}
	})
}

func TestRESTFaults(t *testing.T) {
	t.Parallel()
	s := team(Options{})
	defer s.Close()
	for _, f := range []Fault{
		{REST: true, Status: 503, Path: "/oncalls", Count: 1},
		{REST: true, Torn: true, Path: "/users", Count: 1},
		{REST: true, Lost: true, Method: "PUT", Count: 1},
	} {
		if err := s.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	if got := send(t, s, trigger, "a"); got.Status != 202 {
		t.Errorf("a fault of REST hit an event: %+v", got)
	}
	if status, _, _ := rest(t, s, "GET", "/oncalls", ""); status != 503 {
		t.Errorf("oncalls: %d", status)
	}
	id := s.State().Incidents[0].ID
	for _, c := range [][3]string{{"GET", "/users", ""}, {"PUT", "/incidents", `{"incidents":[{"id":"` + id + `","type":"incident","status":"resolved"}]}`}} {
		req, err := http.NewRequestWithContext(t.Context(), c[0], "http://api.example"+c[1], strings.NewReader(c[2]))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Token token=t")
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("From", "ada@example.com")
		resp, err := s.RoundTrip(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%s %s answered %d, want a broken connection", c[0], c[1], resp.StatusCode)
		}
	}
	if got := s.State().Incidents[0].Status; got != resolved {
		t.Errorf("the lost PUT left it %s, want it processed", got)
	}
}

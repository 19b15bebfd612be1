package probe

// Checker makes the checker.
func (h *HTTP) Checker(env Env) (Checker, error) { panic("being written") }

// Checker makes the checker.
func (t *TCP) Checker(env Env) (Checker, error) { panic("being written") }

// Checker makes the checker.
func (t *TLS) Checker(env Env) (Checker, error) { panic("being written") }

// Checker makes the checker.
func (d *DNS) Checker(env Env) (Checker, error) { panic("being written") }

// Checker makes the checker.
func (i *ICMP) Checker(env Env) (Checker, error) { panic("being written") }

// Checker makes the checker.
func (h *Heartbeat) Checker(env Env) (Checker, error) { panic("being written") }

var _ = []Kind{&HTTP{}, &TCP{}, &TLS{}, &DNS{}, &ICMP{}, &Heartbeat{}}

package config

// ownSites checks what only checks of this Keepwatch's own site can have.
func (c *checker) ownSites() {
	if c.f.Site != nil || c.broken["site"] {
		return
	}
	for i := range c.f.Checks {
		c.ownSite(&c.f.Checks[i], element("checks", i))
	}
}

// ownSite checks one check of a file without a site.
func (c *checker) ownSite(k *Check, at string) {
	signed := "signed requests need a key: without a site block, whose probe_key they would take, give probe_key here"
	if k.HTTP != nil && k.HTTP.Signed && k.HTTP.ProbeKey == "" {
		c.report(join(at, "http.signed"), at, "%s", signed)
	}
	if k.Journey == nil {
		return
	}
	if k.Journey.Signed && k.Journey.ProbeKey == "" {
		c.report(join(at, "journey.signed"), at, "%s", signed)
	}
	for _, name := range k.Journey.FromSite() {
		c.report(join(at, "journey"), at, "{{%s}} belongs to the site of this file, and there is none (add a site block, or give a value of your own under secrets)", name)
	}
}

package main

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

func geoipCommand(s surroundings) *cobra.Command {
	return group("geoip", "Look into address databases, fetch and build them", geoipInfoCommand(s), geoipLookupCommand(s), geoipUpdateCommand(s), geoipBuildCommand(s))
}

const embedded = "the embedded database"

// databaseConfig loads the configuration, or stands for one with the embedded database.
func databaseConfig(c *cobra.Command, file string, s surroundings) (*config.Config, error) {
	if !c.Flags().Changed("config") {
		return config.Parse("gateway.yaml", config.Example(), nil)
	}
	return config.Load(file, s.environ)
}

func geoipInfoCommand(s surroundings) *cobra.Command {
	var file string
	var asJSON format
	c := &cobra.Command{
		Use: "info", Short: "Describe the databases", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := databaseConfig(c, file, s)
			if err != nil {
				return err
			}
			databases, err := gateway.Databases(cfg, s.now())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(s.stdout, databases)
			}
			return printDatabases(s.stdout, databases)
		},
	}
	configFlagOr(c, &file, embedded)
	outputFlag(c, &asJSON)
	return c
}

func printDatabases(w io.Writer, databases []gateway.DatabaseRecord) error {
	t := newTable(w)
	for i, d := range databases {
		if i > 0 {
			t.row("")
		}
		built := d.Built.Format(time.RFC3339)
		if d.Stale {
			built += ", older than geoip.max_age"
		}
		t.row("name\t%s", d.Name)
		if d.Path != "" {
			t.row("path\t%s", d.Path)
		}
		t.row("type\t%s\ntells\t%s\nbuilt\t%s\nip version\t%d\nnodes\t%d\nbytes\t%d\ndescription\t%s", d.Type, tellsWords(&d), built, d.IPVersion, d.Nodes, d.Bytes, d.Description)
		if d.Update != nil {
			printUpdate(t, d.Update)
		}
	}
	return t.print()
}

// tellsWords says what a database can tell of an address.
func tellsWords(d *gateway.DatabaseRecord) string {
	switch {
	case d.Anonymous:
		return "anonymous networks"
	case d.Divided > 0:
		return fmt.Sprintf("countries, and the parts of %d of them", d.Divided)
	}
	return "countries, and no parts of them"
}

func printUpdate(t *table, u *gateway.UpdateRecord) {
	newest := "not known yet"
	if !u.Checked.IsZero() {
		newest = "as of " + u.Checked.UTC().Format(time.RFC3339)
	}
	t.row("newest\t%s", newest)
	if u.Error != "" {
		t.row("failed\t%d times, the last time because: %s", u.Failures, u.Error)
	}
	if !u.Next.IsZero() {
		t.row("asks again\tafter %s", u.Next.UTC().Format(time.RFC3339))
	}
}

func geoipLookupCommand(s surroundings) *cobra.Command {
	var file string
	var asJSON format
	c := &cobra.Command{
		Use: "lookup ADDRESS", Short: "Tell what the databases and overrides know of an address", Args: oneArgument("an address such as 50.114.0.1"),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := netip.ParseAddr(args[0])
			if err != nil {
				return fmt.Errorf("%q is no address; expected one such as 50.114.0.1 or 2600:1f00::1", args[0])
			}
			cfg, err := databaseConfig(c, file, s)
			if err != nil {
				return err
			}
			known, err := gateway.Locate(cfg, addr, s.now())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(s.stdout, known)
			}
			return printAddress(s.stdout, &known)
		},
	}
	configFlagOr(c, &file, embedded)
	outputFlag(c, &asJSON)
	return c
}

func printAddress(w io.Writer, r *gateway.AddressRecord) error {
	t := newTable(w)
	t.row("address\t%s", r.Address)
	if r.Judged != r.Address {
		t.row("judged by\t%s", r.Judged)
	}
	if !r.Public {
		t.row("public\tno")
	}
	country := r.Country
	if country == "" {
		country = "unknown"
	}
	for _, more := range append(r.Others, r.Subdivisions...) {
		country += ", " + more
	}
	t.row("country\t%s", country)
	for _, f := range r.Findings {
		t.row("%s\t%v", f.Source, f)
	}
	return t.print()
}

func geoipBuildCommand(s surroundings) *cobra.Command {
	const installed = "/usr/share/tor/"
	var ipv4, ipv6, out string
	c := &cobra.Command{
		Use: "build", Short: "Make a country database out of IPFire Location data as Tor distributes it", Args: noArguments,
		Long: "Make a country database in the MaxMind DB format out of the IPFire Location data in the text form in which Tor distributes\n" +
			"it. Debian's package tor-geoipdb has it in " + installed + ", which is read if neither --geoip nor --geoip6 is given. The same\n" +
			"data gives the same bytes.",
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("geoip") && !c.Flags().Changed("geoip6") {
				ipv4, ipv6 = installed+"geoip", installed+"geoip6"
			}
			report, err := gateway.BuildDatabase(ipv4, ipv6, out)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.stdout, "wrote %s: %d bytes, %d IPv4 and %d IPv6 ranges in %d countries, data of %s\n",
				out, report.Bytes, report.IPv4Ranges, report.IPv6Ranges, report.Countries, report.Generated.Format(time.DateOnly))
			return err
		},
	}
	c.Flags().StringVar(&ipv4, "geoip", "", "`FILE` with the IPv4 ranges")
	c.Flags().StringVar(&ipv6, "geoip6", "", "`FILE` with the IPv6 ranges")
	c.Flags().StringVar(&out, "out", "country.mmdb", "`FILE` to write")
	return c
}

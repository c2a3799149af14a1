package main

import (
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

func geoipCommand(s surroundings) *cobra.Command {
	c := &cobra.Command{Use: "geoip", Short: "Look into address databases, and build one", Args: cobra.NoArgs}
	c.AddCommand(geoipInfoCommand(s), geoipLookupCommand(s), geoipBuildCommand(s))
	return c
}

// geoConfig loads the configuration, or stands for one with the embedded database.
func geoConfig(c *cobra.Command, file string, s surroundings) (*config.Config, error) {
	if !c.Flags().Changed("config") {
		return new(config.Config), nil
	}
	return config.Load(file, s.environ)
}

func geoFlags(c *cobra.Command, file, format *string) {
	c.Flags().StringVar(file, "config", "", "the configuration `FILE` that names the databases (default the embedded database)")
	outputFlag(c, format)
}

func geoipInfoCommand(s surroundings) *cobra.Command {
	var file, format string
	c := &cobra.Command{
		Use: "info", Short: "Describe the databases", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			cfg, err := geoConfig(c, file, s)
			if err != nil {
				return err
			}
			databases, err := gateway.Databases(cfg, time.Now())
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(s.stdout, databaseRecords(databases))
			}
			table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
			for _, d := range databaseRecords(databases) {
				if _, err := fmt.Fprintf(table, "name\t%s\npath\t%s\ntype\t%s\nbuilt\t%s\nstale\t%v\nip version\t%d\nnodes\t%d\nbytes\t%d\ndescription\t%s\n",
					d.Name, d.Path, d.Type, d.Built.Format(time.RFC3339), d.Stale, d.IPVersion, d.Nodes, d.Bytes, d.Description); err != nil {
					return err
				}
			}
			return table.Flush()
		},
	}
	geoFlags(c, &file, &format)
	return c
}

// databaseRecord is a database in JSON.
type databaseRecord struct {
	Name        string    `json:"name"`
	Path        string    `json:"path"`
	Type        string    `json:"type"`
	Description string    `json:"description"`
	Built       time.Time `json:"built"`
	Stale       bool      `json:"stale"`
	IPVersion   int       `json:"ip_version"`
	Nodes       int       `json:"nodes"`
	Bytes       int       `json:"bytes"`
}

func databaseRecords(databases []gateway.Database) []databaseRecord {
	records := make([]databaseRecord, 0, len(databases))
	for _, d := range databases {
		records = append(records, databaseRecord{d.Name, d.Path, d.Type, d.Description, d.Built, d.Stale, d.IPVersion, d.NodeCount, d.Size})
	}
	return records
}

// whereaboutsRecord is what is known of an address, in JSON.
type whereaboutsRecord struct {
	Address      string          `json:"address"`
	Judged       string          `json:"judged"`
	Country      string          `json:"country"`
	Others       []string        `json:"others"`
	Subdivisions []string        `json:"subdivisions"`
	Source       string          `json:"source"`
	Public       bool            `json:"public"`
	Findings     []findingRecord `json:"findings"`
}

// findingRecord is what one source says, in JSON.
type findingRecord struct {
	Source       string   `json:"source"`
	Network      string   `json:"network"`
	Country      string   `json:"country"`
	Said         []string `json:"said"`
	Subdivisions []string `json:"subdivisions"`
}

func newWhereaboutsRecord(addr netip.Addr, w *gateway.Whereabouts) whereaboutsRecord {
	r := whereaboutsRecord{
		Address: addr.String(), Judged: w.Judged.String(), Country: w.Origin.Country.String(), Others: []string{},
		Subdivisions: append([]string{}, w.Origin.Subdivisions...), Source: w.Origin.Source, Public: !w.NonPublic.IsValid(), Findings: []findingRecord{},
	}
	for _, other := range w.Origin.Others {
		r.Others = append(r.Others, other.String())
	}
	for _, f := range w.Findings {
		network := ""
		if f.Network.IsValid() {
			network = f.Network.String()
		}
		r.Findings = append(r.Findings, findingRecord{f.Source, network, f.Country.String(), append([]string{}, f.Said...), append([]string{}, f.Subdivisions...)})
	}
	return r
}

func geoipLookupCommand(s surroundings) *cobra.Command {
	var file, format string
	c := &cobra.Command{
		Use: "lookup ADDRESS", Short: "Tell what the databases and overrides know of an address", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			addr, err := netip.ParseAddr(args[0])
			if err != nil {
				return fmt.Errorf("%q is no address; expected one such as 50.114.0.1 or 2600:1f00::1", args[0])
			}
			cfg, err := geoConfig(c, file, s)
			if err != nil {
				return err
			}
			w, err := gateway.Locate(cfg, addr, time.Now())
			if err != nil {
				return err
			}
			r := newWhereaboutsRecord(addr, &w)
			if format == "json" {
				return printJSON(s.stdout, r)
			}
			country := r.Country
			if country == "" {
				country = "unknown"
			}
			table := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
			lines := fmt.Sprintf("address\t%s\njudged by\t%s\ncountry\t%s\nsource\t%s\npublic\t%v\n", r.Address, r.Judged, country, r.Source, r.Public)
			for _, f := range r.Findings {
				lines += fmt.Sprintf("%s\t%s %s\n", f.Source, f.Network, strings.Join(append(f.Said, f.Subdivisions...), " "))
			}
			if _, err := fmt.Fprint(table, lines); err != nil {
				return err
			}
			return table.Flush()
		},
	}
	geoFlags(c, &file, &format)
	return c
}

func geoipBuildCommand(s surroundings) *cobra.Command {
	var ipv4, ipv6, out string
	c := &cobra.Command{
		Use: "build", Short: "Make a country database out of IPFire Location data as Tor distributes it", Args: cobra.NoArgs,
		Long: "Make a country database in the MaxMind DB format out of the IPFire Location data in the text form in which Tor distributes\n" +
			"it. Debian's package tor-geoipdb has it in /usr/share/tor. The same data gives the same bytes.",
		RunE: func(*cobra.Command, []string) error {
			report, err := gateway.BuildDatabase(ipv4, ipv6, out)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.stdout, "wrote %s: %d bytes, %d IPv4 and %d IPv6 ranges in %d countries, data of %s\n",
				out, report.Bytes, report.IPv4Ranges, report.IPv6Ranges, report.Countries, report.Generated.Format(time.DateOnly))
			return err
		},
	}
	c.Flags().StringVar(&ipv4, "geoip", "/usr/share/tor/geoip", "`FILE` with the IPv4 ranges; empty for none")
	c.Flags().StringVar(&ipv6, "geoip6", "/usr/share/tor/geoip6", "`FILE` with the IPv6 ranges; empty for none")
	c.Flags().StringVar(&out, "out", "country.mmdb", "`FILE` to write")
	return c
}

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

func evidenceCommand(s surroundings) *cobra.Command {
	return group("evidence", "Verify the record of decisions, look into it, and collect it",
		evidenceVerifyCommand(s), evidenceReportCommand(s), evidenceFindCommand(s), evidenceProveCommand(s), evidenceCollectCommand(s))
}

// evidencePlace is where evidence is: where the configuration says, or in a folder.
type evidencePlace struct{ file, dir string }

func (p *evidencePlace) add(c *cobra.Command) {
	configFlag(c, &p.file)
	c.Flags().StringVar(&p.dir, "dir", "", "`FOLDER` of the evidence, such as a collected one (default what the configuration says)")
}

func (p *evidencePlace) find(s surroundings) (string, error) {
	if p.dir != "" {
		return p.dir, nil
	}
	cfg, err := config.Load(p.file, s.environ)
	if err != nil {
		return "", err
	}
	return gateway.EvidenceDir(cfg)
}

func evidenceFindCommand(s surroundings) *cobra.Command {
	var place evidencePlace
	var asJSON format
	c := &cobra.Command{
		Use: "find REFERENCE", Short: "Show the record that a refused buyer quotes", Args: oneArgument("a reference such as 7K3M-9QXA"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := place.find(s)
			if err != nil {
				return err
			}
			found, err := gateway.FindEvidence(dir, args[0])
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return fmt.Errorf("no record in %s has the reference %s; it may have been dropped, or be of another replica", dir, gateway.NormalReference(args[0]))
			}
			if asJSON {
				return printJSON(s.stdout, found)
			}
			for _, r := range found {
				if _, err := fmt.Fprintf(s.stdout, "%s:%d: %s\n", r.File, r.Line, r.Text); err != nil {
					return err
				}
			}
			return nil
		},
	}
	place.add(c)
	outputFlag(c, &asJSON)
	return c
}

func evidenceProveCommand(s surroundings) *cobra.Command {
	var place evidencePlace
	c := &cobra.Command{
		Use: "prove REFERENCE", Short: "Print the proof that a record is in the evidence", Args: oneArgument("a reference such as 7K3M-9QXA"),
		Long: "Print the proof that a record is in the evidence: the record, its place in the tree, and a signed checkpoint. Whoever has the\n" +
			"public key checks it with gate451 evidence verify --proof, and sees nobody else's record.",
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := place.find(s)
			if err != nil {
				return err
			}
			proof, err := gateway.ProveEvidence(dir, args[0])
			if err != nil {
				return err
			}
			_, err = s.stdout.Write(proof)
			return err
		},
	}
	place.add(c)
	return c
}

func evidenceCollectCommand(s surroundings) *cobra.Command {
	var file, to, keys string
	var once bool
	c := &cobra.Command{
		Use: "collect", Short: "Fetch the evidence of all replicas out of Redis", Args: noArguments,
		Long: "Fetch the evidence of all replicas out of Redis, each into a folder of its name, until it is stopped. The copies are byte for\n" +
			"byte what the replicas wrote, and are verified as they come. Replicas ship what redis.stream_lines lets them.",
		RunE: func(c *cobra.Command, _ []string) error {
			return operate(c.Context(), file, s, func(ctx context.Context, _ *config.Config, operator *gateway.Operator) error {
				ctx, stop := untilSignal(ctx, s)
				defer stop()
				return operator.Collect(ctx, to, keys, once)
			})
		},
	}
	configFlag(c, &file)
	c.Flags().StringVar(&to, "to", "collected", "`FOLDER` to put the copies into")
	c.Flags().StringVar(&keys, "keys", "", "`FOLDER` with the public keys of the replicas, NAME.pub, whose signatures are demanded (default: none are)")
	c.Flags().BoolVar(&once, "once", false, "end when all that was shipped is here")
	return c
}

// untilSignal returns a context that ends with the first signal.
func untilSignal(ctx context.Context, s surroundings) (context.Context, func()) {
	signals, done := s.signals()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		done()
	}
}

package main

import (
	"github.com/spf13/cobra"

	"gate451/gateway"
)

func refusalCommand(s surroundings) *cobra.Command {
	return group("refusal", "Show what a refused buyer is told", refusalShowCommand(s), refusalMessagesCommand(s))
}

func refusalShowCommand(s surroundings) *cobra.Command {
	var file, language, kind, reason, form string
	c := &cobra.Command{
		Use: "show", Short: "Print a refusal as a buyer would get it", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := databaseConfig(c, file, s)
			if err != nil {
				return err
			}
			body, err := gateway.SampleRefusal(cfg, form, language, kind, reason)
			if err != nil {
				return err
			}
			_, err = s.stdout.Write(body)
			return err
		},
	}
	configFlagOr(c, &file, "a shop without a name")
	c.Flags().StringVar(&language, "language", "", "the buyer's `LANGUAGE`, such as de; left out, the configuration's")
	c.Flags().StringVar(&kind, "kind", "purchase", "the `KIND` of refusal: purchase, update or access")
	c.Flags().StringVar(&reason, "reason", "listed_country", "the `REASON` of the decision, such as unknown_country")
	c.Flags().StringVarP(&form, "output", "o", "html", "the `FORM`: html, json or text")
	return c
}

func refusalMessagesCommand(s surroundings) *cobra.Command {
	return &cobra.Command{
		Use: "messages LANGUAGE", Short: "Print the messages in a language, to start a file of your own from", Args: oneArgument("a language such as de"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := gateway.RefusalMessages(args[0])
			if err != nil {
				return err
			}
			_, err = s.stdout.Write(text)
			return err
		},
	}
}

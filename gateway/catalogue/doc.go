// Package catalogue answers one question: which ids belong to which goods? It reads the files in which shops write down what
// they sell into rules.Catalogue.
//
//	goods.csv           a table with a header, separated by commas, semicolons or tabs
//	feed.xml            a Google Merchant feed, RSS 2.0 or Atom
//	goods.json          schema.org's Product and ProductGroup in JSON-LD, or Shopify's products.json
//
// Each may be compressed by gzip. A file is read as a stream, in memory that does not grow with its length but by what the
// rules keep of it.
//
// What is not there cannot be sold by mistake, but what the gateway does not know of can. So a file is taken whole or not at all: one that
// is cut off, has a row without an id, or is the page of a login in place of a feed, is an error of type rules.Problems,
// which says where and what would be right.
package catalogue

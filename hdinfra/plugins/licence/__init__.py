"""The provider package `hdlicence`: seats under a licence, kept in a ledger of the customer's own."""

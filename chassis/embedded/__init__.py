"""NATS and PostgreSQL for one machine: real servers, started by us, that never outlive us."""

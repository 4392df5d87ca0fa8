"""What lasts: tables, migrations and one repository a subject. SQLite or PostgreSQL, by the URL."""

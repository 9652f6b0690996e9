"""What comes back of e-mails: bounces and complaints, read from an SMTP listener or a mailbox, told once committed."""

-- What was due while nobody kept this store may have been sent since: nothing is sent twice by itself.
update mails set state = 'uncertain', reason = 'restored', settled_at = now()
where state = 'pending' and not_before < now();
delete from news where mail_id is null and not_before < now();
update contact_news set settled_at = now() where settled_at is null and not_before < now();

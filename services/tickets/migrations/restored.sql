-- Numbers that were given since the backup are in people's mails: none is given to another ticket.
update ticket_numbers set last = last + 1000;

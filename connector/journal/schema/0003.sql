-- The ways between states, as before, in a form that SQLite checks without building the list anew for each row.

DROP TRIGGER delivery_edges;
CREATE TRIGGER delivery_edges BEFORE UPDATE OF state ON deliveries
WHEN NEW.state <> OLD.state AND instr(
    ' new>ready new>intent new>delivered new>held new>rejected new>in_doubt new>cancelled new>vanished new>skipped'
    || ' ready>intent ready>delivered ready>held ready>rejected ready>in_doubt ready>cancelled ready>vanished'
    || ' ready>skipped ready>new'
    || ' intent>delivered intent>rejected intent>ready intent>in_doubt intent>held'
    || ' in_doubt>intent in_doubt>delivered in_doubt>rejected in_doubt>held'
    || ' rejected>new rejected>vanished rejected>skipped rejected>cancelled'
    || ' held>new held>in_doubt held>vanished held>skipped held>cancelled'
    || ' cancelled>new vanished>new skipped>new ',
    ' ' || OLD.state || '>' || NEW.state || ' '
) = 0
BEGIN
    SELECT RAISE(ABORT, 'a delivery cannot go this way');
END;

DROP TRIGGER ack_edges;
CREATE TRIGGER ack_edges BEFORE UPDATE OF ack_state ON orders
WHEN NEW.ack_state <> OLD.ack_state AND instr(
    ' none>pending'
    || ' pending>sending pending>confirmed pending>parked'
    || ' sending>confirmed sending>pending sending>in_doubt sending>parked'
    || ' in_doubt>confirmed in_doubt>pending in_doubt>parked'
    || ' confirmed>pending'
    || ' parked>pending ',
    ' ' || OLD.ack_state || '>' || NEW.ack_state || ' '
) = 0
BEGIN
    SELECT RAISE(ABORT, 'an acknowledgement cannot go this way');
END;

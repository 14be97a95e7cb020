"""Tables from outside beside exports: each kind read and checked."""

"""Unit tests of the development stack: real processes and sockets, none of the real parts."""

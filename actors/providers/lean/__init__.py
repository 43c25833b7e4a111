"""The lean line: HTTP/1.1 over trio's streams, for the common case, at a fraction of what a general client costs.

The common case is one origin by http or https, without a proxy (`line.is_common`); all else goes through httpx, as what
a user puts in for the network does. h11, or httptools where it is installed, reads and checks every byte; here is only
what stands around it:

`head`          what goes out before the body, written once for all requests that are alike
`plain`         bytes over a socket, without needless turns
`tls`           TLS over that, for one task at a time
`dial`          a connection's way to the origin: TCP, TLS
`reader`        what reads answers: h11
`quick_reader`  or httptools
`connection`    one exchange after another over one connection
`pool`          the idle connections of one origin
`idle`          those of all origins
`line`          all of it as a `Line`

Not for: time limits other than the connection's, statuses, JSON. Those are the wire's and the dialects'.
"""

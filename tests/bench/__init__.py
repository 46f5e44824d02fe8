"""``make bench``: what the gateway costs, as ratios to the things it stands beside.

One run measures, in interleaved rounds on the same machine:

- ``bare echo``: an aiohttp server that answers a POST with its body; no token, no Nexus, no telemetry. The ceiling.
- ``gateway sync``: ``echo.v1/echo`` through ``nexus-gateway serve``, with an ES256 token and traces, metrics and logs
  exported to a running collector.
- ``temporal sync``: the same handler behind Temporal's own Nexus HTTP front, in a Python worker; no token is checked.
- ``gateway start``: ``orders.v1/process`` through the gateway; each request starts a workflow.
- ``direct start``: the same workflow, by ``client.start_workflow``.

The load comes from a process of its own (``_load``): a loop over non-blocking sockets, each with one request under way,
on connections that are kept alive. Client and server share the machine's cores, so absolute figures say little and move
by tens of per cent from run to run; the medians' ratios within a run are what to quote.
"""

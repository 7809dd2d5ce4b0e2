-- wrk's script: POST requests of 200 bytes, and one line at the end for load.py to read.
--
-- Environment:  METHOD    another method, without a body
--               IDS       a file of endpoint ids, 32 characters and a line end each; every request goes to one of them
--               PREFIX    the path before the id
--               RATE      requests a second, sent on a schedule; without it each request follows the answer before it
--               RECORD    a file that the ids of endpoints created by these requests are appended to

wrk.method = os.getenv("METHOD") or "POST"

local width = 33
local ids, count, record

if wrk.method == "POST" then
    wrk.headers["Content-Type"] = "application/json"
end
if os.getenv("RECORD") then
    wrk.body = ""
elseif wrk.method == "POST" then
    wrk.body = '{"event":"order.paid","id":"' .. string.rep("x", 200 - 30) .. '"}'
end

local started = 0

function setup(thread)
    started = started + 1
    thread:set("seed", started)
end

-- Requests are due at equal distances; one that is late is sent at once.
function schedule(rate)
    local ffi = require("ffi")
    ffi.cdef("typedef struct { long seconds; long microseconds; } instant; int gettimeofday(instant *, void *);")
    local instant = ffi.new("instant")
    local function now()
        ffi.C.gettimeofday(instant, nil)
        return tonumber(instant.seconds) * 1000 + tonumber(instant.microseconds) / 1000
    end
    local due
    delay = function()
        due = due and due + 1000 / rate or now()
        return math.max(0, math.floor(due - now()))
    end
end

function init(arguments)
    math.randomseed(os.time() * 10 + seed)
    if os.getenv("IDS") then
        local file = assert(io.open(os.getenv("IDS"), "rb"))
        ids = file:read("*a")
        file:close()
        count = #ids / width
        local path = os.getenv("PREFIX")
        request = function()
            local start = math.random(0, count - 1) * width + 1
            return wrk.format(nil, path .. string.sub(ids, start, start + 31))
        end
    end
    if os.getenv("RATE") then schedule(tonumber(os.getenv("RATE"))) end
    if os.getenv("RECORD") then
        record = assert(io.open(os.getenv("RECORD") .. seed, "ab"))
        response = function(status, headers, body)
            if status == 201 then record:write(string.match(body, '"endpointId": *"([%w_-]+)"'), "\n") end
        end
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
        latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

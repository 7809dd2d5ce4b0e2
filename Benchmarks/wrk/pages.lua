-- wrk's script for pages.py, one thread for each page: looks at an endpoint as the page of an endpoint does (page/endpoint/feed.js).
--
-- Environment:  IDS   a file of endpoint ids, 32 characters and a line end each; a thread takes one of them after the other
--               PATH_BEFORE_ID  the path before the id

local width = 33
local limit, wait = 100, 30
local shortest, longest = 100, 1000
local settings_every = 5

local started = 0

function setup(thread)
    thread:set("number", started)
    started = started + 1
end

local base, cursor, is_behind, pause, settings_at, is_settings

function init(arguments)
    local file = assert(io.open(os.getenv("IDS"), "rb"))
    local ids = file:read("*a")
    file:close()
    local start = (number % (#ids / width)) * width + 1
    base = os.getenv("PATH_BEFORE_ID") .. string.sub(ids, start, start + 31)
    cursor, is_behind, pause, settings_at = nil, false, number * 5, os.time() + number % settings_every
end

function delay()
    return pause
end

function request()
    is_settings = os.time() >= settings_at
    if is_settings then
        settings_at = os.time() + settings_every
        return wrk.format("GET", base .. "/settings")
    end
    if cursor == nil or is_behind then
        return wrk.format("GET", base .. "/notifications?before=9007199254740991&limit=" .. limit)
    end
    return wrk.format("GET", base .. "/notifications?after=" .. cursor .. "&wait=" .. wait .. "&limit=" .. limit)
end

function response(status, headers, body)
    if status ~= 200 then
        pause = 5000
        return
    end
    if is_settings then
        pause = 0
        return
    end
    local first, last, count = cursor or 0, cursor or 0, 0
    for id in string.gmatch(body, '"id": (%d+), "path"') do
        id = tonumber(id)
        if id > first then
            last, count = id, count + 1
        end
    end
    cursor = last
    is_behind = count >= limit
    pause = is_behind and math.min(longest, math.max(shortest, 2 * pause)) or count > 0 and shortest or 0
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
        latency:percentile(99), errors.status, errors.connect + errors.read + errors.write))
end

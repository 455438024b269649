-- Takes events of the streamer, a list at a time. What it prints is a line of the server's log.
for _, event in ipairs(events) do
    if event.event == "source_lost" then
        log.warning("no pictures of " .. event.media .. ": " .. (event.reason or "unknown"))
    elseif event.event == "source_closed" then
        log.info("source of " .. event.media .. " is closed after " .. (event.bytes or 0) .. " bytes")
    end
end

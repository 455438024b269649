"""A file that uses every section of the table."""

EVERYTHING = r"""
# every section once
http 80; http 127.0.0.1:8080; https 443; rtmp 1935; rtmps 1443; rtsp 554; rtsps 1554;
http 81 { api false; }
loglevel debug; logrequests true; total_bandwidth 10G; auth_token TOKEN; max_sessions 1000;
no_auto_token; cluster_key SECRETKEY; view_auth USER PASSWORD; edit_auth USER p=ASSWORD;
api_allowed_from 10/8 192.168/16;
notify HANDLER { sink http://backend/event.php; only event=a,b media=x*; foo bar; verbose debug; }
pulsedb /var/lib/flussonic; session_log /var/lib/flussonic; url_prefix;
source SOURCE/PREFIX; source S2/PREFIX { only a/*; cluster_key x; }
stream one udp://239.0.0.1:5000;
ondemand two { url tshttp://source/two.ts; }
live published { }
file vod { path /storage; }
vod v2 { paths /a /b; storage s3://a:b@c/d x=1; cache /x 400G misses=3; auto_mbr; download; }
cache globalcache /var/www misses=4 2d 40G;
nvidia_monitor true; geoip PATH_TO_DATABASE;
template t {
  prefix p1 p2/x ""; input publish://; push rtmp://h/app/%s retry_timeout=4;
  transcoder hw=nvenc deviceid=0 gop=50 deinterlace vb=1000k size=1280x720 preset=veryfast
    vb=700k size=-1x240:crop ab=128k;
}
dvr d1 { root /x; disk a mode=migrate; raid 0; active 2; }
peer h1; peer h2 { cluster_key z; }
balancer b { mode usage; server h1 max_bitrate=10G; server h2; }
auth_backend ab { allow token a b; deny ip 172.16/24; allow ua "MAG 250"; backend http://x; }
config_external http://K@central:9019/x; meta k "v w";
http_proxy central { url http://c:80; mainpage; }
stream full {
  template t; title Hello world; comment "a\nb";
  input fake://fake width=640 height=360 bitrate=500k priority=1 source_timeout=false;
  input hls://x/index.m3u8?a=b headers="X-A: b c" programs=1,2 allow_if=/x;
  backup vod/file.mp4 timeout=10 dvr=true transcode=false;
  dvr /storage 7d 97% 500G replicate schedule 800-1600,2200-130;
  segment_duration 2.5; chunk_duration 200; prepush; thumbnails url=http://c/s.jpg sizes=320x240;
  on_play http://a/b max_sessions=3 domains=a.com,b.com foo=1; on_publish securetoken://x;
  password abc; protocols -mpegts -hls; labels { a b; c d; } groups a b;
  cluster_ingest capture_at=h1; cache @globalcache 2d misses=5;
  push udp://239.1.1.1:5000 multicast_loop bitrate=5M { pids { pmt 100; } }
  srt 9000; srt_play { port 9001; passphrase 0123456789; } url_prefix false; hls_scte35 aws;
  playback_headers { playback live; headers { X-A b; } } drm aes128 keyserver=http://k;
  mpegts_pids pmt=2 { media { pid 1; content video; track 1; } }
}
"""

"""The sound of a clip, taken along: copied as it is where the new file can hold it."""

from fractions import Fraction
from typing import Any

from jnst.video.reading import MovieFile, opened

USUAL = {"webm": "libopus"}
"""Encoder of the sound by format, where it has to be encoded anew."""
OTHERWISE = "aac"


class Sound:
    """Copies the first stream of sound, from the start that is wanted, as far as it is asked to.

    Args:
      clip: where it is.
      container: PyAV's, to write to.
    """

    def __init__(self, clip: MovieFile, container: Any):
        self.clip, self.container = clip, container
        self.source = opened(clip.path)
        stream = self.source.streams.audio[0]
        name = stream.codec_context.codec.canonical_name
        self.copies = name in {*container.supported_codecs}
        self.encoded = False  # whether the encoder was given anything
        if self.copies:
            self.out = container.add_stream_from_template(stream)
        else:
            encoder = USUAL.get(container.format.name, OTHERWISE)
            self.out = container.add_stream(encoder, rate=stream.codec_context.sample_rate)
            self.out.codec_context.layout = stream.codec_context.layout
        video = self.source.streams.video[0]
        begin = Fraction(video.start_time or 0) * video.time_base
        self.begin = begin + clip.window.bounds()[0]
        if clip.window.start > 0:
            self.source.seek(int(self.begin / stream.time_base), stream=stream)
        self.packets = self._packets(stream)
        self.waiting: Any = next(self.packets, None)

    def copy(self, time: Fraction) -> None:
        """Write the sound up to a time of the new clip."""
        while self.waiting is not None and self.waiting[0] < time:
            self.container.mux(self.waiting[1])
            self.waiting = next(self.packets, None)

    def close(self) -> None:
        """Let go of the clip."""
        try:
            if self.encoded:  # it holds back the last of it, wherever that was
                self.encoded = False
                self.container.mux(self.out.encode(None))
        finally:
            self.source.close()

    def _packets(self, stream: Any) -> Any:
        """(time, packet) of all that is wanted; what cannot be read any more ends it."""
        import av

        base = stream.time_base
        shift = round(self.begin / base)
        try:
            for packet in self.source.demux(stream):
                if self.copies:
                    if packet.pts is None or packet.pts < shift:
                        continue
                    packet.pts -= shift
                    packet.dts = packet.pts if packet.dts is None else packet.dts - shift
                    packet.stream = self.out
                    yield packet.pts * base, packet
                else:
                    for frame in packet.decode():  # the last packet, empty, empties the decoder
                        if frame.pts is None or frame.pts < shift:
                            continue
                        frame.pts -= shift
                        self.encoded = True
                        for encoded in self.out.encode(frame):
                            yield frame.pts * base, encoded
        except av.FFmpegError:
            return
